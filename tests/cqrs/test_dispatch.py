"""What can be said of a dispatch: what to return, how long, how often, and which views to wait for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from headwater import (
    Aggregate,
    Application,
    Command,
    Committed,
    Envelope,
    Event,
    Middleware,
    Position,
    Projection,
    Rejected,
    Version,
    decide,
    project,
)
from headwater.cqrs.aggregate_process import AggregateProcess
from headwater.errors import (
    CallingSelf,
    CodecError,
    ConflictNotResolved,
    ConsistencyTimeout,
    DeadlineExceeded,
    StartFailed,
    UnknownView,
    ViewFailed,
)
from headwater.runtime import introspect
from headwater.testing.clock import VirtualClock
from tests.bank import Account, BalanceOf, Balances, Deposit, Deposited, Payout, Withdraw, Withdrawn, bank

from .test_application import _interfere


def run(scenario, **more) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003
    async def main() -> None:
        keywords = {"aggregates": [Account], "projections": [Balances], **more}
        async with Application("bank", store="memory://", **keywords) as application:
            await scenario(application)

    asyncio.run(main())


@pytest.mark.row("CM-10", "CM-11")
def test_what_a_dispatch_returns() -> None:
    async def scenario(application: Application) -> None:
        whole: Committed = await application.dispatch(Deposit("a", 50))
        assert whole == Committed("account-a", Version(1), Position(1), (Deposited(50),))
        events: tuple[Event, ...] = await application.dispatch(Payout("a", [10, 20]), returning="events")
        assert events == (Withdrawn(10), Withdrawn(20))
        version: Version = await application.dispatch(Deposit("a", 1), returning="version")
        position: Position = await application.dispatch(Deposit("a", 1), returning="position")
        assert (type(version), version, type(position), position) == (Version, 4, Position, 5)
        states: list[Account] = await asyncio.gather(
            *(application.dispatch(Deposit("a", 1), returning=Account) for _ in range(3))
        )
        assert [state.balance for state in states] == [23, 24, 25], "each as its own command left it"
        assert states[2] is not await application.live_state(Account, "a")
        again = [await application.dispatch(Deposit("a", 5), id=UUID(int=1), returning=Account) for _ in range(2)]
        assert [state.balance for state in again] == [30, 30]
        head = await application.store.head()
        with pytest.raises(ValueError, match="'all'"):
            await application.dispatch(Deposit("a", 1), returning="all")  # type: ignore[call-overload]  # the point
        with pytest.raises(TypeError, match="Other doesn't decide Deposit"):
            await application.dispatch(Deposit("a", 1), returning=Other)
        assert await application.store.head() == head

    run(scenario)


class Other(Aggregate, identity="account"):
    pass


@pytest.mark.row("CM-13", "BC-04")
def test_a_dispatch_waits_for_the_views_that_it_names() -> None:
    async def scenario(application: Application) -> None:
        for number in range(1, 20):
            await application.dispatch(Deposit("a", 1), wait_for=[Balances])
            assert await application.query(BalanceOf("a")) == number
        with pytest.raises(Rejected):
            await application.dispatch(Withdraw("a", 100), wait_for=[Balances])
        with pytest.raises(UnknownView, match="Unlisted"):
            await application.dispatch(Deposit("a", 1), wait_for=[Unlisted])
        assert await application.store.head() == 19, "it was refused before anything was done"

    run(scenario)


class Unlisted(Projection):
    pass


@pytest.mark.row("BC-04")
def test_a_view_that_would_wait_for_itself_is_refused_before_anything_is_done() -> None:
    applications: list[Application] = []
    meddled: asyncio.Queue[asyncio.Task[Committed]] = asyncio.Queue()

    class Meddling(Projection):
        @project
        def deposited(self, event: Deposited) -> None:
            again = applications[0].dispatch(Deposit("a", 1), wait_for=[Meddling])
            meddled.put_nowait(asyncio.create_task(again))

    async def scenario(application: Application) -> None:
        applications.append(application)
        await application.dispatch(Deposit("a", 1))
        with pytest.raises(CallingSelf, match="waits for itself"):
            await (await meddled.get())
        assert await application.store.head() == 1

    run(scenario, projections=[Meddling])


@pytest.mark.row("CM-12", "CM-13")
def test_one_deadline_covers_the_decision_and_the_views() -> None:
    clock = VirtualClock()

    class Slow(Middleware):
        async def before(self, envelope: Envelope) -> None:
            clock.advance(2.0)

    class Stuck(Projection):
        @project
        def deposited(self, event: Deposited) -> None:
            clock.advance(4.0)
            raise ZeroDivisionError

    async def scenario(application: Application) -> None:
        with pytest.raises(ConsistencyTimeout, match="durable up to position 1") as caught:
            await application.dispatch(Deposit("a", 1), wait_for=[Stuck], timeout=5.0)
        assert (caught.value.stream, caught.value.version, caught.value.position) == ("account-a", 1, 1)
        assert isinstance(caught.value, DeadlineExceeded)
        with pytest.raises(ViewFailed):
            await application.dispatch(Deposit("a", 1), wait_for=[Stuck], timeout=5.0)
        assert await application.store.head() == 2

    run(scenario, projections=[Stuck], middleware=[Slow()], clock=clock)


@pytest.mark.row("CM-12")
def test_the_deadline_covers_a_process_that_does_not_answer_and_names_it() -> None:
    clock = VirtualClock()

    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1))
        process = application.system.named(AggregateProcess, "account-a")
        await introspect.suspend(process)
        pending = asyncio.create_task(application.dispatch(Deposit("a", 1), timeout=3.0))
        await asyncio.sleep(0)
        clock.advance(3.0)
        with pytest.raises(DeadlineExceeded, match="AggregateProcess 'account-a' did not answer within 3"):
            await pending
        await introspect.resume(process)

    run(scenario, clock=clock)


@pytest.mark.row("CM-12")
def test_the_deadline_covers_middleware_that_hangs_and_it_is_told() -> None:
    clock = VirtualClock()
    failed: list[BaseException] = []
    hangs = asyncio.Event()

    class Counting(Middleware):
        def failed(self, envelope: Envelope, error: BaseException) -> None:
            failed.append(error)

    class Hanging(Middleware):
        async def before(self, envelope: Envelope) -> None:
            hangs.set()
            await asyncio.Event().wait()

    async def scenario(application: Application) -> None:
        pending = asyncio.create_task(application.dispatch(Deposit("a", 1), timeout=3.0))
        await hangs.wait()
        clock.advance(3.0)
        with pytest.raises(DeadlineExceeded, match="Deposit did not end within"):
            await pending
        assert [type(error) for error in failed] == [DeadlineExceeded]
        cancelled = asyncio.create_task(application.dispatch(Deposit("a", 1), timeout=3.0))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert clock.pending == 0
        with pytest.raises(ValueError, match="positive"):
            await application.dispatch(Deposit("a", 1), timeout=0)

    run(scenario, clock=clock, middleware=[Counting(), Hanging()])


@pytest.mark.row("CM-09", "CM-10")
def test_how_often_a_command_is_decided_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.dispatch(Deposit("a", 2))
            interfered = _interfere(application, 100, monkeypatch)
            with pytest.raises(ConflictNotResolved, match="3 times"):
                await application.dispatch(Deposit("a", 1), attempts=3)
            assert len(interfered) == 3
            with pytest.raises(ValueError, match="at least once"):
                await application.dispatch(Deposit("a", 1), attempts=0)

    asyncio.run(main())


@pytest.mark.row("CM-10", "BC-12")
def test_a_command_carries_on_the_correlation_of_the_event_that_led_to_it() -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1), id=UUID(int=1), correlation=UUID(int=9))
        [first] = [recorded async for recorded in application.store.read_all()]
        await application.dispatch(Deposit("b", 1), id=UUID(int=2), because=first, metadata={"by": "me"})
        [second] = [recorded async for recorded in application.store.read_all(after=1)]
        assert (second.causation, second.correlation) == (UUID(int=2), UUID(int=9))
        assert second.metadata == {"by": "me", "because": str(first.id)}
        outcomes = application.dispatch_all([Envelope(Deposit("c", 1), because=second, correlation=UUID(int=5))])
        async for _ in outcomes:
            pass
        [third] = [recorded async for recorded in application.store.read_all(after=2)]
        assert (third.correlation, third.metadata) == (UUID(int=5), {"because": str(second.id)})
        with pytest.raises(CodecError, match="metadata"):
            await application.dispatch(Deposit("a", 1), metadata={"x": object()})

    run(scenario)


class Touch(Command):
    thing: str


class Unbuildable(Aggregate, identity="thing"):
    def __init__(self, id: str) -> None:  # noqa: A002
        raise ZeroDivisionError

    @decide
    def touch(self, command: Touch) -> None: ...


@pytest.mark.row("CM-12")
def test_an_aggregate_that_cannot_be_built_fails_its_commands() -> None:
    async def scenario(application: Application) -> None:
        for _ in range(2):
            with pytest.raises(StartFailed, match="ZeroDivisionError"):
                await application.dispatch(Touch("t"))

    run(scenario, aggregates=[Unbuildable])
