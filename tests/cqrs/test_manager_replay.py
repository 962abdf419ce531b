"""A command that was given up is dispatched again: the instance takes up how it ends, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from headwater import (
    Aggregate,
    Application,
    Backoff,
    Command,
    Committed,
    Envelope,
    Event,
    Failure,
    Middleware,
    ProcessManager,
    Rejected,
    Resolution,
    RetryIn,
    accepted,
    decide,
    rejected,
    starts,
)
from headwater.cqrs.manager_letter_box import ManagerLetterBox
from headwater.cqrs.manager_step import StepTaken
from headwater.errors import LetterNotReplayable
from headwater.testing import running, wait_for_event


class Booked(Event):
    trip: str
    hotel: str


class Reserved(Event):
    trip: str


class Told(Event):
    trip: str
    text: str


class Book(Command):
    trip: str
    hotel: str


class Reserve(Command):
    trip: str
    hotel: str


class Tell(Command):
    trip: str
    text: str


class Trip(Aggregate, identity="trip"):
    @decide
    def book(self, command: Book) -> Event:
        return Booked(command.trip, command.hotel)

    @decide
    def reserve(self, command: Reserve) -> Event:
        if command.hotel == "full":
            raise Rejected("no room is free")
        return Reserved(command.trip)

    @decide
    def tell(self, command: Tell) -> Event:
        return Told(command.trip, command.text)


class Agent(ProcessManager, name="agent", identity="trip", attempts=1, backoff=Backoff(0.001, 0.01)):
    answers: int = 0

    @starts
    def booked(self, event: Booked) -> Command:
        return Reserve(event.trip, event.hotel)

    @accepted
    def reserved(self, command: Reserve, committed: Committed) -> Iterator[Command]:
        self.answers += 1
        yield Tell(command.trip, f"reserved in {committed.stream}, answer {self.answers}")

    @rejected
    def refused(self, command: Reserve, rejection: Rejected) -> Command:
        self.answers += 1
        return Tell(command.trip, f"{rejection}, answer {self.answers}")


class Silent(ProcessManager, name="silent", identity="trip", attempts=1):
    @starts
    def booked(self, event: Booked) -> Command:
        return Reserve(event.trip, event.hotel)


class Stopping(ProcessManager, name="stopping", identity="trip", attempts=1):
    @starts
    def booked(self, event: Booked) -> Command:
        if event.hotel == "unreadable":
            raise ValueError("which one?")
        return Reserve(event.trip, event.hotel)

    def failed(self, failure: Failure) -> Resolution | RetryIn:
        return Resolution.PARK if failure.command is not None else Resolution.STOP


class Line(Middleware):
    """The line to the hotels, which is dead at first."""

    def __init__(self) -> None:
        self.dead = True

    def before(self, envelope: Envelope) -> None:
        if self.dead and isinstance(envelope.command, Reserve):
            raise ConnectionError("the line is dead")


@asynccontextmanager
async def agency(manager: type[ProcessManager], hotel: str) -> AsyncIterator[tuple[Application, ManagerLetterBox]]:
    """An application in which the reservation of a hotel was given up."""
    line = Line()
    definition = Application(
        "agency",
        store="memory://",
        aggregates=[Trip],
        process_managers=[manager],
        events=[Reserved, Told],
        middleware=[line],
    )
    async with running(definition) as application:
        await application.dispatch(Book("t", hotel))
        await wait_for_event(application, StepTaken, lambda step: step.kind == "skipped")
        line.dead = False
        yield application, application.dead_letters(manager)


async def told(application: Application) -> list[str]:
    async with application.store.read_stream("trip-t") as events:
        return [recorded.event.text async for recorded in events if isinstance(recorded.event, Told)]


@pytest.mark.row("BC-01", "CM-30")
def test_the_instance_follows_that_a_replayed_command_has_had_its_effect() -> None:
    async def scenario() -> None:
        async with agency(Agent, "grand") as (application, box):
            assert await box.replay(1) is None
            assert (await wait_for_event(application, Told)).causation is not None
            assert await told(application) == ["reserved in trip-t, answer 1"]
            status = await application.instance(Agent, "t")
            assert status is not None
            assert await box.list() == []

    asyncio.run(scenario())


@pytest.mark.row("BC-01", "CM-30")
def test_the_instance_compensates_for_a_replayed_command_that_is_rejected() -> None:
    async def scenario() -> None:
        async with agency(Agent, "full") as (application, box):
            assert await box.replay(1) is None
            await wait_for_event(application, Told)
            assert await told(application) == ["no room is free, answer 1"]
            assert await box.list() == []

    asyncio.run(scenario())


def test_a_rejection_that_nobody_has_a_method_for_stays_in_the_letter() -> None:
    async def scenario() -> None:
        async with agency(Silent, "full") as (_, box):
            letter = await box.replay(1)
            assert letter is not None
            assert (letter.error, letter.attempts) == ("Rejected: no room is free", 2)

    asyncio.run(scenario())


@pytest.mark.row("BC-01", "CM-28")
def test_a_crash_before_the_letter_is_done_lets_the_instance_follow_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write = ManagerLetterBox._write

    async def crash(box: ManagerLetterBox, number: int, event: Event) -> None:
        raise SystemError("the plug was pulled")

    async def scenario() -> None:
        async with agency(Agent, "grand") as (application, box):
            monkeypatch.setattr(ManagerLetterBox, "_write", crash)
            with pytest.raises(SystemError):
                await box.replay(1)
            monkeypatch.setattr(ManagerLetterBox, "_write", write)
            await wait_for_event(application, Told)
            assert await box.replay(1) is None
            await application.dispatch(Book("t", "grand"))
            await wait_for_event(application, Told, lambda event: event.text.endswith("2"))
            assert await told(application) == ["reserved in trip-t, answer 1", "reserved in trip-t, answer 2"]

    asyncio.run(scenario())


def test_an_instance_that_stands_must_be_resumed_first() -> None:
    async def scenario() -> None:
        async with agency(Stopping, "grand") as (application, box):
            await application.dispatch(Book("t", "unreadable"))
            await wait_for_event(application, StepTaken, lambda step: step.failure is not None)
            with pytest.raises(LetterNotReplayable, match="instance 't' of 'stopping' has stopped: resume it first"):
                await box.replay(1)
            [letter] = await box.list()
            assert letter.attempts == 1

    asyncio.run(scenario())
