"""What process managers could not handle: kept as dead letters, replayed where that can be, dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from headwater import (
    Aggregate,
    Application,
    Backoff,
    Command,
    Envelope,
    Event,
    EventHandler,
    Failure,
    ManagerLetterBox,
    Middleware,
    ProcessManager,
    decide,
    handle,
    starts,
)
from headwater.cqrs.manager_letter import ManagerLetterParked
from headwater.cqrs.manager_letter_box import DurableParking
from headwater.cqrs.manager_step import StepTaken
from headwater.cqrs.outgoing import Outgoing
from headwater.errors import DefinitionError, LetterNotFound, LetterNotReplayable, UnknownProcessManager
from headwater.runtime.genserver import GenServer
from headwater.runtime.process import current


class Ordered(Event, name="meals.ordered"):
    table: str
    meal: str


class Cooked(Event, name="meals.cooked"):
    table: str
    meal: str


class Order(Command, name="meals.order"):
    table: str
    meal: str


class Cook(Command, name="meals.cook"):
    table: str
    meal: str


class Table(Aggregate, identity="table"):
    @decide
    def order(self, command: Order) -> Event:
        return Ordered(command.table, command.meal)

    @decide
    def cook(self, command: Cook) -> Event:
        return Cooked(command.table, command.meal)


class Waiter(ProcessManager, name="waiter", identity="table", attempts=2, backoff=Backoff(0.001, 0.01)):
    @starts
    def ordered(self, event: Ordered) -> Command:
        if event.meal == "unreadable":
            raise ValueError("what is that?")
        return Cook(event.table, event.meal)


class Oven(Middleware):
    def __init__(self) -> None:
        self.broken = True

    async def before(self, envelope: Envelope) -> None:
        command = envelope.command
        if self.broken and isinstance(command, Cook) and command.meal == "cake":
            raise ConnectionError("the oven is cold")


def restaurant(folder: Path, oven: Oven | None = None) -> Application:
    middleware = [oven or Oven()]
    url = f"sqlite:///{folder}/meals.db"
    return Application(
        "meals", store=url, aggregates=[Table], process_managers=[Waiter], events=[Cooked], middleware=middleware
    )


async def served(application: Application, *meals: str, table: str = "t") -> None:
    """Order meals, and wait until the last one is cooked."""
    for meal in meals:
        await application.dispatch(Order(table, meal))
    async with asyncio.timeout(5):
        async for recorded in application.store.subscribe(stream=f"table-{table}"):
            if recorded.event == Cooked(table, meals[-1]):
                return


async def cooked(application: Application) -> list[str]:
    async with application.store.read_stream("table-t") as events:
        return [recorded.event.meal async for recorded in events if isinstance(recorded.event, Cooked)]


async def parked(application: Application) -> int:
    async with application.store.read_stream("dead-letters-waiter") as events:
        return len([recorded async for recorded in events if isinstance(recorded.event, ManagerLetterParked)])


def run(scenario: Coroutine[object, object, None]) -> None:
    asyncio.run(scenario)


@pytest.mark.row("BC-01", "CM-30")
def test_a_command_that_can_t_be_dispatched_is_parked_and_dispatched_again_under_its_id(tmp_path: Path) -> None:
    async def first() -> None:
        async with restaurant(tmp_path) as application:
            await served(application, "soup", "cake", "tea")
            [letter] = await application.dead_letters(Waiter).list()
            assert (letter.number, letter.instance, letter.type, letter.attempts) == (1, "t", "meals.cook", 2)
            assert letter.error == "CommandFailed: Oven.before failed: ConnectionError: the oven is cold"
            assert letter.data == {"table": "t", "meal": "cake"}

    async def second() -> None:
        oven = Oven()
        async with restaurant(tmp_path, oven) as application:
            box = application.dead_letters(Waiter)
            again = await box.replay(1)
            assert again is not None
            assert again.attempts == 3
            oven.broken = False
            assert await box.replay(1) is None
            assert await box.list() == []
            assert await cooked(application) == ["soup", "tea", "cake"]
            with pytest.raises(LetterNotFound, match="'waiter' has no open dead letter 1"):
                await box.replay(1)
            last = await application.store.last("table-t")
            assert last is not None
            assert last.causation == again.command
            assert (last.metadata["process_manager"], last.metadata["instance"]) == ("waiter", "t")

    run(first())
    run(second())


@pytest.mark.row("BC-01", "CM-30")
def test_a_command_that_had_its_effect_after_all_has_no_other_one_when_it_is_replayed(tmp_path: Path) -> None:
    async def scenario() -> None:
        oven = Oven()
        async with restaurant(tmp_path, oven) as application:
            await served(application, "cake", "tea")
            box = application.dead_letters(Waiter)
            [letter] = await box.list()
            oven.broken = False
            await application.dispatch(Cook("t", "cake"), id=letter.command)
            assert await box.replay(letter.number) is None
            assert await cooked(application) == ["tea", "cake"]

    run(scenario())


@pytest.mark.row("BC-01", "CM-30")
def test_an_event_is_parked_and_can_only_be_dropped(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with restaurant(tmp_path) as application:
            await served(application, "unreadable", "tea")
            box = application.dead_letters(Waiter)
            [letter] = await box.list()
            assert (letter.position, letter.command, letter.error) == (1, None, "ValueError: what is that?")
            with pytest.raises(LetterNotReplayable, match="of the event at 1, and instance 't' has gone on"):
                await box.replay(letter.number)
            assert await box.list() == [letter]
            await box.drop(letter.number, "nobody can read it")
            assert await box.list() == []

    run(scenario())


@pytest.mark.row("BC-01", "CM-30")
@pytest.mark.parametrize("meal", ["cake", "unreadable"])
def test_a_kill_between_parking_and_acknowledgement_leaves_one_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meal: str
) -> None:
    park, kills = DurableParking.park, [1, 2]

    async def killed(parking: DurableParking, failure: Failure) -> bool:
        kept = await park(parking, failure)
        if kills:
            kills.pop()
            process = current.get()
            assert process is not None
            assert isinstance(process.server, GenServer)
            process.server.pid.kill()
            await asyncio.sleep(0)  # where it dies
        return kept

    monkeypatch.setattr(DurableParking, "park", killed)

    async def scenario() -> None:
        async with restaurant(tmp_path) as application:
            await served(application, meal, "tea")
            assert not kills
            assert len(await application.dead_letters(Waiter).list()) == await parked(application) == 1

    run(scenario())


@pytest.mark.row("BC-01")
def test_two_who_park_the_same_failure_at_once_leave_one_letter(tmp_path: Path) -> None:
    async def refuse(instance: str, outgoing: Outgoing) -> None:
        raise AssertionError

    async def scenario() -> None:
        async with restaurant(tmp_path) as application:
            await served(application, "tea")
            [recorded] = [one async for one in application.store.read_all(limit=1)]
            failure = Failure("waiter", "t", recorded, None, ValueError("no"), 1, 0.0)
            other = Failure("waiter", "u", recorded, None, ValueError("no"), 1, 0.0)
            boxes = [ManagerLetterBox(application.store, "waiter", refuse) for _ in range(10)]
            await asyncio.gather(*(box.park(one) for box in boxes for one in (failure, other)))
            assert await parked(application) == 2

    run(scenario())


@pytest.mark.row("CM-30")
def test_an_instance_stops_when_no_more_letters_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    park = ManagerLetterBox.park

    async def parking(box: ManagerLetterBox, failure: Failure) -> None:
        box._limit = 1  # type: ignore[misc]  # smaller than anybody's
        await park(box, failure)

    monkeypatch.setattr(ManagerLetterBox, "park", parking)

    async def scenario() -> None:
        async with restaurant(tmp_path) as application:
            await served(application, "unreadable", "tea")
            await application.dispatch(Order("t", "unreadable"))
            async with asyncio.timeout(5):
                async for recorded in application.store.subscribe(stream="waiter-t"):
                    if isinstance(recorded.event, StepTaken) and recorded.event.failure is not None:
                        break
            assert await parked(application) == 1
            await application.dead_letters(Waiter).drop(1)
            assert await application.resume(Waiter, "t")
            await served(application, "coffee")
            assert len(await application.dead_letters(Waiter).list()) == 1

    run(scenario())


def test_letters_of_strangers_are_refused(tmp_path: Path) -> None:
    class Other(ProcessManager, name="other", identity="table"):
        @starts
        def ordered(self, event: Ordered) -> None:
            pass

    class Namesake(EventHandler, name="waiter"):
        @handle
        def ordered(self, event: Ordered) -> None:
            pass

    async def scenario() -> None:
        async with restaurant(tmp_path) as application:
            with pytest.raises(UnknownProcessManager, match="known: waiter"):
                application.dead_letters(Other)

    run(scenario())
    with pytest.raises(DefinitionError, match="called 'waiter', as a handler is"):
        Application("meals", store="memory://", aggregates=[Table], process_managers=[Waiter], handlers=[Namesake])
