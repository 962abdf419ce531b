"""Decisions across streams: one after the other, in the order of the log, whoever makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Application,
    Command,
    Committed,
    DecisionModel,
    Envelope,
    Event,
    EventStore,
    Expected,
    Recorded,
    Rejected,
    decide,
    evolve,
)
from headwater.cqrs.decision import Options
from headwater.cqrs.foreign_appends import ForeignAppends
from headwater.cqrs.lanes import Lanes
from headwater.cqrs.model_decisions import ModelDecisions
from headwater.errors import (
    CommandFailed,
    CommandIdTaken,
    ConflictNotResolved,
    DeadlineExceeded,
    DefinitionError,
    InvalidCommand,
    UnknownCommand,
)
from headwater.store.model import Context
from headwater.testing.clock import VirtualClock
from tests.bank import Account, Deposit

from .courses import Break, Enrol, Enrolled, Enrolment, Left, Noted, Open, Opened, Swap


class Invisible(Event):
    pass


class Check(Command):
    x: str

    def validate(self) -> None:
        raise InvalidCommand("never")


def school(url: str = "memory://", **more: object) -> Application:
    return Application("school", store=url, aggregates=[Account], models=[Enrolment], events=[Noted], **more)  # type: ignore[arg-type]


@pytest.mark.row("BC-14", "BS-03")
def test_a_decision_is_made_upon_the_events_of_several_entities() -> None:
    async def main() -> None:
        async with school() as app:
            done = await app.dispatch(Open("c", 2))
            assert done.events == (Noted("opening"), Opened("c", 2))
            assert (done.position, done.stream) == (2, "enrolment")
            nothing = await app.dispatch(Open("c", 5))
            assert (nothing.events, nothing.position) == ((), 2)
            for student in ("s", "t"):
                await app.dispatch(Enrol("c", student))
            with pytest.raises(Rejected, match="full"):
                await app.dispatch(Enrol("c", "u"))
            await app.dispatch(Open("d", 1))
            assert await app.dispatch(Swap("s", "c", "d"), returning="events") == (Left("c", "s"), Enrolled("d", "s"))
            head = await app.store.head()
            with pytest.raises(Rejected, match="full"):
                await app.dispatch(Swap("t", "c", "d"))
            assert await app.store.head() == head, "it yielded an event, and then was rejected"
            streams = [info.name async for info in app.store.streams()]
            assert streams == ["enrolment", "notes"]
            await app.dispatch(Deposit("a", 1), wait_for=[])
            results = [
                one.result async for one in app.dispatch_all([Enrol("c", "v"), Enrol("c", "w"), Deposit("a", 1)])
            ]
            assert [type(result) for result in results] == [Committed, Rejected, Committed]

    asyncio.run(main())


@pytest.mark.row("BC-14")
def test_what_comes_in_between_makes_it_decide_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decided: list[str] = []
    execute, submit = Enrolment.execute, EventStore.submit_streams
    between: list[Event] = []

    def counting(model: Enrolment, command: Command, events: list[Event]) -> None:
        decided.append(type(command).__name__)
        execute(model, command, events)

    def interfering(store: EventStore, *given: object, **more: object) -> object:
        if between:
            store.submit("elsewhere", [between.pop()], expected=Expected.ANY)
        return submit(store, *given, **more)  # type: ignore[arg-type]  # passed through

    async def main() -> None:
        async with school(f"sqlite:///{tmp_path}/s.db") as app:
            await app.dispatch(Open("c", 1))
            monkeypatch.setattr(Enrolment, "execute", counting)
            monkeypatch.setattr(EventStore, "submit_streams", interfering)
            between.append(Opened("other", 7))
            await app.dispatch(Enrol("c", "s"))
            assert decided == ["Enrol"], "an event outside of its scope is none of its business"
            await app.dispatch(Open("d", 1))
            between.append(Enrolled("d", "somebody"))
            with pytest.raises(Rejected, match="full"):
                await app.dispatch(Enrol("d", "t"))
            assert decided == ["Enrol", "Open", "Enrol", "Enrol"]
            await app.dispatch(Open("e", 50))
            between.extend(Enrolled("e", f"s-{number}") for number in range(20))
            with pytest.raises(ConflictNotResolved, match=r"4 times.*course:e, student:t"):
                await app.dispatch(Enrol("e", "t"), attempts=4)
            assert len(between) == 16

    asyncio.run(main())


@pytest.mark.row("BC-05", "BC-14")
def test_a_repeated_command_has_its_first_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with school(f"sqlite:///{tmp_path}/s.db") as app:
            opened = await app.dispatch(Open("c", 1), id=UUID(int=1))
            first = await app.dispatch(Enrol("c", "s"), id=UUID(int=2))
        async with school(f"sqlite:///{tmp_path}/s.db") as app:
            again = await asyncio.gather(*(app.dispatch(Enrol("c", "s"), id=UUID(int=2)) for _ in range(3)))
            assert again == [first] * 3
            assert await app.dispatch(Open("c", 1), id=UUID(int=1)) == opened
            twice = [one.result async for one in app.dispatch_all([Envelope(Open("d", 1), id=UUID(int=3))] * 2)]
            assert twice[0] == twice[1]
            assert await app.store.head() == 5
            await app.dispatch(Deposit("a", 1), id=UUID(int=4))
            with pytest.raises(CommandIdTaken):
                await app.dispatch(Deposit("a", 1), id=UUID(int=3))

    asyncio.run(main())


def test_what_does_not_fit_is_refused() -> None:
    class Twin(DecisionModel[Enrol]):
        @classmethod
        def scope(cls, command: Enrol) -> tuple[str, ...]:
            return (f"course:{command.course}",)

        @decide
        def enrol(self, command: Enrol) -> None: ...

    class Checked(DecisionModel[Check]):
        @classmethod
        def scope(cls, command: Check) -> tuple[str, ...]:
            return ("check",)

        @decide
        def check(self, command: Check) -> None: ...

    async def main() -> None:
        async with school() as app:
            with pytest.raises(CommandFailed, match="a bug"):
                await app.dispatch(Break("c"))
            with pytest.raises(CommandFailed, match="gave no tags"):
                await app.dispatch(Break(""))
            with pytest.raises(UnknownCommand, match=r"known: .*Enrol, Open"):
                await app.dispatch(Check("x"))
            with pytest.raises(TypeError, match="doesn't decide"):
                await app.dispatch(Enrol("a", "b"), returning=Account)
            assert await app.store.head() == 0
        async with Application("x", store="memory://", aggregates=[], models=[Twin, Checked]) as app:
            with pytest.raises(InvalidCommand, match="never"):
                await app.dispatch(Check("x"))

    asyncio.run(main())
    with pytest.raises(DefinitionError, match="Enrol is handled by both"):
        Application("x", store="memory://", aggregates=[], models=[Enrolment, Twin])
    with pytest.raises(DefinitionError, match=r"can never find a .*Invisible"):

        class Blind(DecisionModel[Enrol]):
            @evolve
            def seen(self, event: Invisible) -> None: ...


@pytest.mark.row("BC-14")
def test_the_deadline_ends_the_wait_for_a_turn() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with school(clock=clock) as app:
            await app.dispatch(Open("c", 1))
            lanes = app._running()._models._lanes
            async with lanes.hold(["student:s"]):
                pending = asyncio.create_task(app.dispatch(Enrol("c", "s"), timeout=2.0))
                while len(lanes) < 2:
                    await asyncio.sleep(0)
                clock.advance(2.0)
                with pytest.raises(DeadlineExceeded):
                    await pending
            assert len(lanes) == 0, "nothing is kept of a lane that nobody wants"

    asyncio.run(main())


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4), max_size=12), st.randoms(use_true_random=False))
def test_lanes_are_held_by_one_at_a_time_and_never_in_a_circle(wanted: list[list[str]], rng: Random) -> None:
    lanes, held = Lanes(), set[str]()

    async def user(names: list[str]) -> None:
        async with lanes.hold(names):
            assert held.isdisjoint(names)
            held.update(names)
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            held.difference_update(names)

    async def main() -> None:
        await asyncio.wait_for(asyncio.gather(*map(user, wanted)), 10)
        assert len(lanes) == 0

    asyncio.run(main())


# --- serializability ---------------------------------------------------------------------------------------------


class Client(msgspec.Struct):
    """What one client did: each command, the head before and after it, and its answer."""

    done: list[tuple[Command, int, int, Committed | Rejected | ConflictNotResolved]] = []


@pytest.mark.row("BC-14", "BS-03")
@settings(max_examples=12, deadline=None)
@given(st.integers(), st.integers(20, 50), st.integers(1, 4), st.sampled_from(["memory://", "sqlite"]))
def test_concurrent_decisions_are_serializable(
    tmp_path_factory: pytest.TempPathFactory, seed: int, clients: int, nodes: int, url: str
) -> None:
    """Several nodes, as far as the log can tell, each with many clients, on few courses and students."""
    if url == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('school')}/s.db"
    rng = Random(seed)

    async def client(store: EventStore, node: ModelDecisions, number: int, record: Client) -> None:
        for step in range(4):
            command, before = _random_command(rng), int(await store.head())
            context = Context(UUID(int=number * 100 + step + 1).bytes, None, None)
            answer: Committed | Rejected | ConflictNotResolved
            try:
                answer = await node.execute(Enrolment, command, context, Options(attempts=30))  # type: ignore[arg-type]
            except (Rejected, ConflictNotResolved) as error:
                answer = error
            record.done.append((command, before, int(await store.head()), answer))

    async def main() -> None:
        async with school(url) as app:
            foreign = ForeignAppends(lambda _stream, _version: False)
            executors = [ModelDecisions(app.store, foreign) for _ in range(nodes)]
            for course in "abc":
                await app.dispatch(Open(course, rng.randint(1, 4)))
            records = [Client() for _ in range(clients)]
            await asyncio.gather(
                *(client(app.store, rng.choice(executors), number, record) for number, record in enumerate(records))
            )
            log = [recorded async for recorded in app.store.read_all()]
            _check_serial(log, [one for record in records for one in record.done])

    asyncio.run(main())


def _random_command(rng: Random) -> Command:
    student = f"s-{rng.randrange(6)}"
    if rng.random() < 0.4:
        return Swap(student, *rng.sample("abc", 2))
    return Enrol(rng.choice("abc"), student)


def _check_serial(
    log: Sequence[Recorded],
    done: Sequence[tuple[Command, int, int, Committed | Rejected | ConflictNotResolved]],
) -> None:
    """Each answer is the one that a single client would have got at that place of the log."""
    stored = {recorded.causation for recorded in log}
    for command, before, after, answer in done:
        if isinstance(answer, Committed):
            first = answer.position - len(answer.events)
            assert _alone(log[:first], command) == list(answer.events)
            assert tuple(recorded.event for recorded in log[first : answer.position]) == answer.events
        elif isinstance(answer, Rejected):
            reasons = {
                outcome.reason
                for place in range(before, after + 1)
                if isinstance(outcome := _alone(log[:place], command), Rejected)
            }
            assert answer.reason in reasons, "there was a moment, while it waited, at which that was true"
    committed = sum(isinstance(answer, Committed) for *_, answer in done)
    assert len(stored) == committed + 3, "nothing else was stored"


def _alone(log: Sequence[Recorded], command: Command) -> list[Event] | Rejected:
    model, events = Enrolment(), list[Event]()
    query = Enrolment.query(command)  # type: ignore[arg-type]  # it is one of its commands
    for recorded in log:
        if query.matches(recorded.type, recorded.tags):
            model.apply(recorded.event)
    try:
        model.execute(command, events)
    except Rejected as rejection:
        return rejection
    return events
