"""Aggregates as plain functions, wherever the class of an aggregate can be used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from headwater import AT_ONCE, Application, Command, Committed, Decider, Event, Lifespan, Rejected, Version
from headwater.errors import CommandFailed, DefinitionError
from headwater.sourcing.repository import Repository
from tests.bank import Account, Deposit


class Switch(Command):
    lamp: str
    on: bool


class Blink(Command):
    lamp: str
    times: int


class Switched(Event, name="lamp.switched"):
    on: bool


class Burnt(Event, name="lamp.burnt"):
    pass


class Lamp(msgspec.Struct, frozen=True):
    on: bool = False
    switched: int = 0


def decide(command: Switch | Blink, state: Lamp) -> Iterator[Event]:
    if isinstance(command, Blink):
        for number in range(command.times):
            yield Switched(number % 2 == 0)
    elif command.on == state.on:
        raise Rejected("it is so already")
    else:
        yield Switched(command.on)


def evolve(state: Lamp, event: Switched) -> Lamp:
    return Lamp(event.on, state.switched + 1)


lamp = Decider("lamp", identity="lamp", initial=Lamp, decide=decide, evolve=evolve, snapshot_every=5)


def home(folder: Path) -> Application:
    return Application("home", store=f"sqlite:///{folder}/home.db", aggregates=[Account, lamp])


def test_a_decider_can_be_used_like_an_aggregate(tmp_path: Path) -> None:
    async def main() -> None:
        async with home(tmp_path) as application:
            done = await application.dispatch(Switch("hall", True))
            assert done == Committed("lamp-hall", Version(1), done.position, (Switched(True),))
            with pytest.raises(Rejected, match="already"):
                await application.dispatch(Switch("hall", True))
            state: Lamp = await application.dispatch(Blink("hall", 6), returning=lamp)
            assert state == Lamp(False, 7)
            await application.dispatch(Deposit("a", 1))
            assert await application.live_state(lamp, "hall") == Lamp(False, 7)
            past: Lamp = await application.state(lamp, "hall", at=Version(2))
            assert past == Lamp(True, 2)
        async with home(tmp_path) as application:
            loaded = await Repository(application.store).load(lamp.kind, "hall")
            assert (loaded.snapshot, loaded.version) == (7, 7)
            assert await application.state(lamp, "hall") == Lamp(False, 7)
            assert await application.live_state(lamp, "hall") is None
            assert (await application.dispatch(Switch("hall", True))).version == 8
            assert lamp.stream_of("hall") == "lamp-hall"
            assert loaded.aggregate.describe() == {"on": False, "switched": 7}

    asyncio.run(main())


def test_a_decider_may_return_and_its_state_may_be_anything() -> None:
    def add(command: Blink, state: int) -> list[Event] | Event | None:
        return {0: None, 1: Switched(True), 9: cast("Event", "no event")}.get(command.times, [Switched(True)] * 2)

    def count(state: int, event: Switched | Burnt) -> int:
        return state + 1

    counter = Decider("count", identity="lamp", initial=int, decide=add, evolve=count, lifespan=Lifespan(AT_ONCE))

    async def main() -> None:
        async with Application("x", store="memory://", aggregates=[counter]) as application:
            versions = [await application.dispatch(Blink("a", n), returning="version") for n in (0, 1, 2)]
            assert versions == [0, 1, 3]
            with pytest.raises(CommandFailed, match="no event"):
                await application.dispatch(Blink("a", 9))
            assert await application.state(counter, "a") == 3
            assert (await Repository(application.store).load(counter.kind, "a")).aggregate.describe() == {"state": 3}

    asyncio.run(main())


def test_functions_that_do_not_fit_are_refused() -> None:
    def unannotated(command, state):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return None

    def no_state(state: Lamp, event: Switched):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return state

    with pytest.raises(DefinitionError, match="needs an annotation"):
        Decider("x", identity="lamp", initial=Lamp, decide=unannotated, evolve=evolve)
    with pytest.raises(DefinitionError, match="no field 'name'"):
        Decider("x", identity="name", initial=Lamp, decide=decide, evolve=evolve)
    with pytest.raises(DefinitionError, match="annotated with the state"):
        Decider("x", identity="lamp", initial=Lamp, decide=decide, evolve=no_state, snapshot_every=3)
    other = Decider("account", identity="lamp", initial=Lamp, decide=decide, evolve=evolve)
    with pytest.raises(DefinitionError, match="share the category"):
        Application("x", store="memory://", aggregates=[Account, other])
