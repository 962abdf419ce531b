"""An aggregate in memory answers nothing upon a state that another application has changed meanwhile, also when it
appends nothing that would conflict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from headwater import Aggregate, Application, Command, Event, Rejected, decide, evolve
from headwater.errors import CommandFailed, ConflictNotResolved
from tests.postgres_server import SHARED, wipe, with_options

Scenario = Callable[[Application, Application], Awaitable[None]]

TWICE = UUID("0190163d-8694-739b-aea5-966c26f8ad91")


class Turned(Event, name="lamp.turned"):
    on: bool


class Turn(Command):
    """Nothing to do if the lamp is as it shall be."""

    lamp: str
    on: bool


class Burn(Command):
    """Refused when the lamp is off; nothing to do when it is on."""

    lamp: str


class Flicker(Command):
    """Refused when the lamp was off, after it was turned on."""

    lamp: str


class Look(Command):
    """Nothing to do, ever."""

    lamp: str


class Read(Command):
    """A bug that shows when the lamp is off."""

    lamp: str


class Lamp(Aggregate, identity="lamp"):
    on: bool = False

    @decide
    def turn(self, command: Turn) -> list[Event]:
        return [] if self.on == command.on else [Turned(command.on)]

    @decide
    def burn(self, command: Burn) -> None:
        if not self.on:
            raise Rejected("it is off")

    @decide
    def flicker(self, command: Flicker) -> Iterator[Event]:
        was_on = self.on
        yield Turned(not was_on)
        if not was_on:
            raise Rejected("it was off")

    @decide
    def look(self, command: Look) -> None:
        pass

    @decide
    def read(self, command: Read) -> None:
        if not self.on:
            raise ZeroDivisionError

    @evolve
    def turned(self, event: Turned) -> None:
        self.on = event.on


def on_one_log(url: str, scenario: Scenario) -> None:
    """Two applications know nothing of each other. The first has a lamp in memory that the second has turned on."""

    async def main() -> None:
        await wipe(url, SHARED)
        store = with_options(url, schema=SHARED)
        async with AsyncExitStack() as stack:
            ours, other = [
                await stack.enter_async_context(Application(name, store=store, aggregates=[Lamp])) for name in "ab"
            ]
            await ours.dispatch(Turn("l", True))
            await ours.dispatch(Turn("l", False))
            await other.dispatch(Turn("l", True))
            await scenario(ours, other)

    asyncio.run(main())


@pytest.mark.row("CM-09", "CM-33")
def test_a_command_is_not_rejected_upon_an_old_state(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert (await ours.dispatch(Burn("l"))).version == 3
        await other.dispatch(Turn("l", False))
        with pytest.raises(Rejected):
            await ours.dispatch(Burn("l"))

    on_one_log(postgres, scenario)


def test_nor_after_an_event_that_was_taken_back(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert await ours.dispatch(Flicker("l"), returning="events") == (Turned(False),)

    on_one_log(postgres, scenario)


@pytest.mark.row("CM-09", "CM-33")
def test_there_is_not_nothing_to_do_upon_an_old_state(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert await ours.dispatch(Turn("l", False), returning="events") == (Turned(False),)
        await other.dispatch(Turn("l", True))
        assert await ours.dispatch(Turn("l", True), returning="version") == 5

    on_one_log(postgres, scenario)


def test_the_state_of_a_command_that_had_nothing_to_do_is_not_an_old_one(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert (await ours.dispatch(Look("l"), returning=Lamp)).on

    on_one_log(postgres, scenario)


def test_nothing_fails_upon_an_old_state(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert (await ours.dispatch(Read("l"))).events == ()
        await other.dispatch(Turn("l", False))
        with pytest.raises(CommandFailed):
            await ours.dispatch(Read("l"))

    on_one_log(postgres, scenario)


def test_it_is_decided_as_often_as_is_allowed(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        with pytest.raises(ConflictNotResolved, match="1 time"):
            await ours.dispatch(Burn("l"), attempts=1)
        assert (await ours.dispatch(Burn("l"), attempts=1)).version == 3

    on_one_log(postgres, scenario)


def test_each_of_many_commands_under_way_is_answered_in_its_turn(postgres: str) -> None:
    """Rejections before, between and behind events; only the first of them counts a conflict."""

    async def scenario(ours: Application, other: Application) -> None:
        burning, on, off = Burn("l"), Turn("l", True), Turn("l", False)
        commands = [burning, burning, on, off, burning, on, burning]
        answers = await asyncio.gather(
            *(ours.dispatch(command, attempts=2) for command in commands), return_exceptions=True
        )
        [*_, rejected, _, _] = answers
        assert isinstance(rejected, Rejected)
        versions = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert [answer.version for answer in versions] == [3, 3, 3, 4, 5, 5]

    on_one_log(postgres, scenario)


def test_a_command_with_an_id_is_not_rejected_upon_an_old_state(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        assert (await ours.dispatch(Burn("l"), id=TWICE)).version == 3
        first, again = await asyncio.gather(*(ours.dispatch(Flicker("l"), id=TWICE) for _ in "12"))
        assert first == again
        assert first.version == 4

    on_one_log(postgres, scenario)


@pytest.mark.parametrize("command", [Turn("l", False), Burn("l")], ids=["event", "none"])
def test_what_is_under_way_when_the_application_ends_is_decided_again_too(postgres: str, command: Command) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        async with Application("c", store=ours.url, aggregates=[Lamp]) as ending:
            await ending.dispatch(Turn("l", True))
            await other.dispatch(Turn("l", False))
            await other.dispatch(Turn("l", True))
            answer = asyncio.ensure_future(ending.dispatch(command))
            await asyncio.sleep(0)
        assert (await answer).version == (6 if isinstance(command, Turn) else 5)

    on_one_log(postgres, scenario)


def test_a_stream_that_is_deleted_or_closed_is_as_if_it_had_never_been(postgres: str) -> None:
    async def scenario(ours: Application, other: Application) -> None:
        for change in (other.store.delete_stream, other.store.tombstone_stream):
            await change("lamp-l")
            async with Application("c", store=ours.url, aggregates=[Lamp]) as late:
                with pytest.raises(Rejected):
                    await late.dispatch(Burn("l"))

    on_one_log(postgres, scenario)


@pytest.mark.parametrize("url", ["memory://", "sqlite"])
def test_where_nobody_else_writes_nothing_is_asked(tmp_path: object, url: str) -> None:
    """Its answer doesn't even wait for a turn of the event loop."""
    url = f"sqlite:///{tmp_path}/lamps.db" if url == "sqlite" else url

    async def main() -> None:
        async with Application("lamps", store=url, aggregates=[Lamp]) as lamps:
            await lamps.dispatch(Turn("l", True))
            answer = lamps.dispatch(Burn("l"))
            with pytest.raises(StopIteration):
                answer.send(None)

    asyncio.run(main())
