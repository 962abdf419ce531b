"""Process managers in an application: queues, failures, timers, where things come from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from headwater import (
    Aggregate,
    Application,
    Backoff,
    Command,
    Envelope,
    Event,
    Failure,
    InstanceStatus,
    Middleware,
    ProcessManager,
    Rejected,
    Resolution,
    RetryIn,
    accepted,
    continues,
    decide,
    evolve,
    expires,
    rejected,
    starts,
)
from headwater.cqrs.committed import Committed
from headwater.cqrs.failure import NoParking, Parking
from headwater.cqrs.manager_step import StepTaken
from headwater.errors import UnknownProcessManager
from headwater.testing.clock import VirtualClock


class Begun(Event, name="job.begun"):
    job: str
    work: str


class Worked(Event, name="job.worked"):
    job: str
    what: str


class Begin(Command, name="job.begin"):
    job: str
    work: str


class Work(Command, name="job.work"):
    job: str
    what: str


class Job(Aggregate, identity="job"):
    done: int = 0

    @decide
    def begin(self, command: Begin) -> Iterator[Event]:
        yield Begun(command.job, command.work)

    @decide
    def work(self, command: Work) -> Iterator[Event]:
        if command.what.startswith("refused"):
            raise Rejected("not this", reason="refused")
        yield Worked(command.job, command.what)

    @evolve
    def worked(self, event: Worked) -> None:
        self.done += 1


class Foreman(ProcessManager, name="foreman", identity="job", attempts=3, backoff=Backoff(0.01, 0.01), max_live=2):
    """Begins with the words of the work, as commands; some of them have a meaning."""

    work: str = ""
    seen: list[str]

    def __init__(self, id: str) -> None:  # noqa: A002 - as the base
        super().__init__(id)
        self.seen = []

    @starts
    def begun(self, event: Begun) -> Iterator[Command]:
        if event.work == "bug" and BUG:
            raise ZeroDivisionError("a bug")
        if event.work == "timer":
            self.set_timer("later", after=30.0)
            return
        for word in event.work.split():
            yield Work(self.id, word)

    @continues
    def worked(self, event: Worked) -> None:
        self.seen.append(event.what)

    @expires("later")
    def later(self) -> Command:
        return Work(self.id, "late")

    @rejected
    def refused(self, command: Work, rejection: Rejected) -> Iterator[Command]:
        if command.what == "refused-all":
            self.discard_pending()
        yield Work(self.id, f"instead of {command.what}")

    @accepted
    def taken(self, command: Work, committed: Committed) -> Command | None:
        return Work(self.id, "followed") if command.what == "follow" else None

    def failed(self, failure: Failure) -> Resolution | RetryIn:
        what = failure.command.what if isinstance(failure.command, Work) else ""
        chosen = {"skip": Resolution.SKIP, "skip-all": Resolution.SKIP_ALL, "stop": Resolution.STOP}.get(what)
        return chosen or super().failed(failure)


BUG: list[str] = []


class Gate(Middleware):
    """Holds up commands for one job, and lets some fail."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.held = asyncio.Event()
        self.fails = {"skip", "skip-all", "stop", "twice"}
        self.tries = 0

    async def before(self, envelope: Envelope) -> None:
        command = envelope.command
        if isinstance(command, Work) and command.job == "slow":
            self.held.set()
            await self.open.wait()
        if isinstance(command, Work) and command.what in self.fails:
            self.tries += 1
            if command.what == "twice" and self.tries == 3:
                self.fails.discard("twice")
            raise ConnectionError("down")


class Shelf(Parking):
    def __init__(self) -> None:
        self.parked: list[Failure] = []

    async def park(self, failure: Failure) -> bool:
        self.parked.append(failure)
        return True


def workshop(
    gate: Gate | None = None, parking: Parking | None = None, clock: VirtualClock | None = None, url: str = "memory://"
) -> Application:
    middleware = [] if gate is None else [gate]
    return Application(
        "workshop",
        store=url,
        aggregates=[Job],
        process_managers=[Foreman],
        middleware=middleware,
        parking=parking,
        clock=clock,
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0)


async def status_when(
    application: Application, job: str, condition: Callable[[InstanceStatus], bool]
) -> InstanceStatus:
    found: list[InstanceStatus] = []

    async def check() -> bool:
        status = await application.instance(Foreman, job)
        found[:] = [] if status is None else [status]
        return status is not None and condition(status)

    await until(check)
    return found[0]


def seen(*words: str) -> Callable[[InstanceStatus], bool]:
    return lambda status: status.state.get("seen") == list(words) and not status.pending


@pytest.mark.row("CM-29", "BC-07")
def test_a_slow_instance_holds_up_no_other_and_only_so_many_are_in_memory() -> None:
    async def main() -> None:
        gate = Gate()
        async with workshop(gate) as application:
            await application.dispatch(Begin("slow", "one two"))
            await gate.held.wait()
            for number in range(10):
                await application.dispatch(Begin(f"j-{number}", "one two"))
            for number in range(10):
                await status_when(application, f"j-{number}", seen("one", "two"))
            [status] = await application.process_managers()
            assert status.live <= Foreman.max_live
            assert (await status_when(application, "slow", lambda _: True)).pending == ("job.work", "job.work")
            gate.open.set()
            await status_when(application, "slow", seen("one", "two"))

    asyncio.run(main())


@pytest.mark.row("CM-30")
@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("a refused b", ["a", "b", "instead of refused"]),
        ("a refused-all b", ["a", "instead of refused-all"]),
        ("a follow b", ["a", "follow", "b", "followed"]),
        ("a twice b", ["a", "twice", "b"]),
        ("a skip b", ["a", "b"]),
        ("a skip-all b", ["a"]),
    ],
)
def test_commands_that_end_otherwise_are_compensated_retried_skipped_or_dropped(work: str, words: list[str]) -> None:
    async def main() -> None:
        gate = Gate()
        gate.tries = 1  # "twice" fails twice
        async with workshop(gate) as application:
            await application.dispatch(Begin("j", work))
            await status_when(application, "j", seen(*words))
            assert (await application.state(Job, "j")).done == len(words)

    asyncio.run(main())


@pytest.mark.row("CM-30")
def test_a_stopped_instance_waits_for_being_resumed_and_has_lost_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        gate, url = Gate(), f"sqlite:///{tmp_path}/w.db"
        async with workshop(gate, url=url) as application:
            await application.dispatch(Begin("j", "a stop b"))
            stopped = await status_when(application, "j", lambda status: status.failure is not None)
            assert "ConnectionError: down" in str(stopped.failure)
            await application.dispatch(Work("j", "meanwhile"))
            await application.dispatch(Begin("k", "c"))
            await status_when(application, "k", seen("c"))
            assert (await status_when(application, "j", lambda _: True)).position == stopped.position
        async with workshop(gate, url=url) as application:
            gate.fails.clear()
            assert await application.resume(Foreman, "j")
            await status_when(application, "j", seen("a", "meanwhile", "stop", "b"))
            assert not await application.resume(Foreman, "j")

    asyncio.run(main())


@pytest.mark.row("CM-30")
def test_an_event_that_cannot_be_handled_is_tried_again_then_stops_its_instance_or_is_parked() -> None:
    async def main() -> None:
        BUG.append("there is one")
        shelf = Shelf()
        async with workshop(parking=shelf) as application:
            await application.dispatch(Begin("j", "bug"))
            await application.dispatch(Begin("j", "a"))
            await status_when(application, "j", seen("a"))
        [failure] = shelf.parked
        assert (failure.attempts, type(failure.error), failure.instance) == (3, ZeroDivisionError, "j")
        async with workshop(parking=NoParking()) as application:
            await application.dispatch(Begin("j", "bug"))
            await application.dispatch(Begin("j", "a"))
            await status_when(application, "j", lambda status: "a bug" in (status.failure or ""))
            BUG.clear()
            assert await application.resume(Foreman, "j")
            await status_when(application, "j", seen("bug", "a"))

    try:
        asyncio.run(main())
    finally:
        BUG.clear()


@pytest.mark.row("BC-12")
def test_everything_that_one_cause_led_to_has_its_correlation() -> None:
    async def main() -> None:
        clock, cause = VirtualClock(), UUID(int=99)
        async with workshop(clock=clock) as application:
            await application.dispatch(Begin("j", "timer"), correlation=cause)

            async def waits() -> bool:
                return bool(await application.scheduled())

            await until(waits)
            clock.advance(30.0)
            await status_when(application, "j", seen("late"))
            log = [one async for one in application.store.read_all()]
        assert {one.correlation for one in log} == {cause}
        begun, late = (next(one for one in log if type(one.event) is kind) for kind in (Begun, Worked))
        steps = [one for one in log if isinstance(one.event, StepTaken)]
        assert steps[0].causation == begun.id
        fired = next(one for one in log if one.type == "headwater.timer.fired")
        assert late.metadata["because"] == str(fired.id)
        assert [outgoing.id for step in steps for outgoing in step.event.pending] == [late.causation]  # type: ignore[attr-defined]

    asyncio.run(main())


@pytest.mark.row("BC-06")
def test_a_timer_of_an_instance_survives_restarts_and_is_cancelled_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock, url = VirtualClock(), f"sqlite:///{tmp_path}/w.db"
        async with workshop(clock=clock, url=url) as application:
            await application.dispatch(Begin("j", "timer"))
            await status_when(application, "j", lambda status: bool(status.timers))
            await application.dispatch(Begin("k", "timer"))
            [timer] = (await status_when(application, "k", lambda status: bool(status.timers))).timers.values()
            assert await application.cancel(timer)
        clock.advance(1_000.0)
        async with workshop(clock=clock, url=url) as application:
            await status_when(application, "j", seen("late"))
            status = await status_when(application, "k", lambda _: True)
            assert status.state.get("seen") == []

    asyncio.run(main())


def test_what_is_not_known_is_refused() -> None:
    class Other(ProcessManager, identity="job"):
        @starts
        def begun(self, event: Begun) -> None: ...

    async def main() -> None:
        async with workshop() as application:
            assert await application.instance(Foreman, "nobody") is None
            assert not await application.resume(Foreman, "nobody")
            with pytest.raises(UnknownProcessManager, match="foreman"):
                await application.resume(Other, "j")

    asyncio.run(main())
