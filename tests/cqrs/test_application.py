"""Application: commands, views, history."""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
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
    EventStore,
    Expected,
    HeadwaterError,
    Position,
    Projection,
    Query,
    Rejected,
    Version,
    answer,
    decide,
    project,
)
from headwater.cqrs import aggregate_process, waiting
from headwater.cqrs.decision import MAX_ATTEMPTS
from headwater.errors import (
    ApplicationError,
    CommandFailed,
    ConflictNotResolved,
    DeadlineExceeded,
    DefinitionError,
    StorageFull,
    StoreOverloaded,
    UnknownCommand,
    UnknownQuery,
    UnknownView,
    ViewFailed,
)
from headwater.store.adapter import Append
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.telemetry import SpanEvent, SpanName
from tests.bank import (
    Account,
    Audit,
    Audited,
    BalanceOf,
    Balances,
    Break,
    Deposit,
    Deposited,
    Payout,
    Withdraw,
    Withdrawn,
    bank,
)

Scenario = Callable[[Application], Coroutine[object, object, None]]


def run(folder: Path, scenario: Scenario) -> None:
    async def main() -> None:
        async with bank(folder) as application:
            await scenario(application)

    asyncio.run(main())


async def balance(application: Application, account: str) -> int:
    await application.wait_for(Balances, await application.store.head())
    return await application.query(BalanceOf(account))


@pytest.mark.row("CM-07")
def test_a_command_becomes_events_a_position_and_an_answer(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        done = await application.dispatch(Deposit("a", 50))
        assert done == Committed("account-a", Version(1), Position(1), (Deposited(50),))
        done = await application.dispatch(Payout("a", [10, 20]))
        assert done == Committed("account-a", Version(3), Position(3), (Withdrawn(10), Withdrawn(20)))
        await application.wait_for(Balances, done.position)
        assert await application.query(BalanceOf("a")) == 20

    run(tmp_path, scenario)


def test_a_rejection_stores_nothing(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        with pytest.raises(Rejected, match="positive") as caught:
            await application.dispatch(Deposit("a", 0))
        assert (caught.value.reason, caught.value.details) == ("bad_amount", {"amount": 0})
        assert await application.store.head() == 0

    run(tmp_path, scenario)


def test_a_rejection_after_the_first_event_undoes_that_event(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 15))
        with pytest.raises(Rejected, match="cover"):
            await application.dispatch(Payout("a", [10, 10]))
        assert (await application.dispatch(Withdraw("a", 15))).version == 2
        assert await balance(application, "a") == 0

    run(tmp_path, scenario)


@pytest.mark.row("CM-12")
def test_a_bug_in_decide_fails_its_command_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        commands = [Deposit("a", 1), Break("a"), Deposit("a", 2), Break("a"), Withdraw("a", 3), Withdraw("a", 1)]
        results = await asyncio.gather(*map(application.dispatch, commands), return_exceptions=True)
        kinds = [type(result) for result in results]
        assert kinds == [Committed, CommandFailed, Committed, CommandFailed, Committed, Rejected]
        assert isinstance(results[1], CommandFailed)
        assert isinstance(results[1].__cause__, ZeroDivisionError)
        assert await balance(application, "a") == 0
        assert await application.store.head() == 3

    run(tmp_path, scenario)


@pytest.mark.row("CM-05")
def test_a_command_may_have_nothing_to_do(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        first = await application.dispatch(Deposit("a", 1))
        nothing = await application.dispatch(Audit("a"))
        assert nothing == Committed("account-a", first.version, first.position, ())
        two = await application.dispatch(Audit("a", "look"))
        assert two.events == (Audited("look"), Audited("done"))
        assert await application.store.head() == 3

    run(tmp_path, scenario)


@pytest.mark.row("CM-12")
def test_unknown_commands_queries_and_views_are_refused_by_name(tmp_path: Path) -> None:
    class Rob(Command):
        account: str

    class Secret(Query[str]):
        pass

    class Elsewhere(Projection):
        pass

    async def scenario(application: Application) -> None:
        with pytest.raises(UnknownCommand, match=r"Rob.*known: .*Deposit"):
            await application.dispatch(Rob("a"))
        with pytest.raises(UnknownQuery, match=r"Secret.*known: BalanceOf"):
            await application.query(Secret())
        with pytest.raises(UnknownView, match="Elsewhere"):
            await application.wait_for(Elsewhere, 1)
        with pytest.raises(ValueError, match=r"Deposit\.account is empty"):
            await application.dispatch(Deposit("", 1))

    run(tmp_path, scenario)


def test_an_application_works_only_while_it_runs(tmp_path: Path) -> None:
    application = bank(tmp_path)

    async def main() -> None:
        with pytest.raises(ApplicationError, match="not running"):
            await application.dispatch(Deposit("a", 1))
        for _ in range(2):
            async with application:
                await application.dispatch(Deposit("a", 1))
                with pytest.raises(ApplicationError, match="already"):
                    await application.__aenter__()
        with pytest.raises(ApplicationError, match="not running"):
            await application.query(BalanceOf("a"))

    asyncio.run(main())


def test_after_a_restart_everything_is_there_again(tmp_path: Path) -> None:
    async def fill(application: Application) -> None:
        for number in range(1, 11):
            await application.dispatch(Deposit(f"a-{number % 3}", number))

    async def look(application: Application) -> None:
        assert [await application.query(BalanceOf(f"a-{number}")) for number in range(3)] == [18, 22, 15]
        assert (await application.dispatch(Withdraw("a-0", 18))).version == 4

    run(tmp_path, fill)
    run(tmp_path, look)


@pytest.mark.row("CM-08")
def test_commands_of_many_clients_are_decided_one_at_a_time(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 100))
        commands = [Withdraw("a", 1) for _ in range(300)]
        results = await asyncio.gather(*map(application.dispatch, commands), return_exceptions=True)
        assert sum(isinstance(result, Committed) for result in results) == 100
        assert sum(isinstance(result, Rejected) for result in results) == 200
        assert await balance(application, "a") == 0

    run(tmp_path, scenario)


@pytest.mark.row("CM-10", "BC-12")
def test_the_context_of_a_command_is_stored_beside_its_events(tmp_path: Path) -> None:
    command, correlation = UUID(int=7), UUID(int=8)

    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1), id=command, correlation=correlation, metadata={"by": "me"})
        await application.dispatch(Deposit("a", 1))
        told, made_up = [recorded async for recorded in application.store.read_all()]
        assert (told.causation, told.correlation, told.metadata) == (command, correlation, {"by": "me"})
        assert made_up.causation == made_up.correlation not in (None, command)
        assert made_up.metadata == {}

    run(tmp_path, scenario)


def test_undisturbed_commands_are_decided_once(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        commands: list[Command] = [
            Deposit("a", 9),
            Payout("a", [1, 2]),
            Audit("a", "x"),
            Payout("a", [3]),
            Withdraw("a", 3),
        ]
        results = [outcome.result async for outcome in application.dispatch_all(commands)]
        assert all(isinstance(result, Committed) for result in results)
        assert isinstance(application.store.adapter, SqliteAdapter)
        assert application.store.adapter.statistics.refused == 0

    run(tmp_path, scenario)


# --- many at a time --------------------------------------------------------------------------------------------


def test_dispatch_all_answers_in_order_and_goes_on_after_errors(tmp_path: Path) -> None:
    commands: list[Command | Envelope] = [
        Deposit("a", 5),
        Deposit("a", -1),
        Envelope(Withdraw("a", 3), metadata={"row": 3}),
        Break("a"),
        Withdraw("a", 3),
        Withdraw("a", 2),
    ]

    async def scenario(application: Application) -> None:
        outcomes = [outcome async for outcome in application.dispatch_all(commands)]
        kinds = [type(outcome.result) for outcome in outcomes]
        assert kinds == [Committed, Rejected, Committed, CommandFailed, Rejected, Committed]
        sent = [item.command if isinstance(item, Envelope) else item for item in commands]
        assert [outcome.envelope.command for outcome in outcomes] == sent
        assert await balance(application, "a") == 0

    run(tmp_path, scenario)


@pytest.mark.parametrize("in_flight", [1, 2, 7, 500])
def test_dispatch_all_never_takes_more_commands_than_may_be_in_flight(tmp_path: Path, in_flight: int) -> None:
    taken = answered = most = 0

    def commands() -> list[Command]:
        return [Deposit(f"a-{number % 5}", 1) for number in range(200)]

    async def scenario(application: Application) -> None:
        nonlocal taken, answered, most

        def counted() -> object:
            nonlocal taken, most
            for command in commands():
                taken += 1
                most = max(most, taken - answered)
                yield command

        async for outcome in application.dispatch_all(counted(), in_flight=in_flight):  # type: ignore[arg-type]
            assert isinstance(outcome.result, Committed)
            answered += 1

    run(tmp_path, scenario)
    assert answered == 200
    assert most <= in_flight + 1  # one is in hand while the oldest is awaited


def test_dispatch_all_can_be_left_early(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        seen = 0
        outcomes = application.dispatch_all(Deposit("a", 1) for _ in range(1_000))
        async for _ in outcomes:
            seen += 1
            if seen == 3:
                break
        await outcomes.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert (await application.dispatch(Deposit("a", 1))).version >= 4
        with pytest.raises(ValueError, match="in flight"):
            await anext(application.dispatch_all([], in_flight=0))

    run(tmp_path, scenario)


# --- conflicts with another writer of the same stream ----------------------------------------------------------


def _interfere(application: Application, times: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let somebody else append to the aggregate's stream just before the next appends, so that they conflict."""
    submit = EventStore.submit
    interfered: list[str] = []

    def interfering(store: EventStore, stream: str, events: list[object], **keywords: object) -> Append:
        if len(interfered) < times:
            interfered.append(stream)
            submit(store, stream, [Deposited(1)], expected=Expected.ANY)
        return submit(store, stream, events, **keywords)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(EventStore, "submit", interfering)
    return interfered


@pytest.mark.row("CM-09")
def test_after_a_conflict_all_that_was_decided_behind_it_is_decided_again_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 2))
        interfered = _interfere(application, 1, monkeypatch)
        # On the speculative state the third and fourth are not covered; with the other's deposit the third is.
        commands = [Withdraw("a", 1) for _ in range(4)]
        results = await asyncio.gather(*map(application.dispatch, commands), return_exceptions=True)
        assert interfered == ["account-a"]
        assert [type(result) for result in results] == [Committed, Committed, Committed, Rejected]
        stored = [(found.version, found.event) async for found in application.store.read_stream("account-a")]
        assert stored == [(1, Deposited(2)), (2, Deposited(1)), *((v, Withdrawn(1)) for v in (3, 4, 5))]
        assert [result.version for result in results if isinstance(result, Committed)] == [3, 4, 5]

    run(tmp_path, scenario)


@pytest.mark.row("CM-09", "CM-12")
def test_a_command_that_always_conflicts_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 2))
        interfered = _interfere(application, MAX_ATTEMPTS, monkeypatch)
        with pytest.raises(ConflictNotResolved, match=str(MAX_ATTEMPTS)):
            await application.dispatch(Withdraw("a", 1))
        assert len(interfered) == MAX_ATTEMPTS
        assert (await application.dispatch(Withdraw("a", 1))).version == MAX_ATTEMPTS + 2

    run(tmp_path, scenario)


def test_a_full_disk_fails_the_commands_and_the_state_follows_the_log(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 5))
        store = application.store
        broken = store.adapter.submit

        def full(append: Append) -> None:
            append.failed = True
            append.resolve(StorageFull("the disk is full"))

        store.adapter.submit = full  # type: ignore[method-assign]
        results = await asyncio.gather(
            *(application.dispatch(Withdraw("a", 5)) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(result, StorageFull | Rejected) for result in results)
        assert any(isinstance(result, StorageFull) for result in results)
        store.adapter.submit = broken  # type: ignore[method-assign]
        assert (await application.dispatch(Withdraw("a", 5))).version == 2

    run(tmp_path, scenario)


# --- views -----------------------------------------------------------------------------------------------------


@pytest.mark.row("BC-04")
def test_waiting_for_a_position_gives_the_view_at_or_behind_it(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        total = 0
        for number in range(1, 50):
            total += number
            done = await application.dispatch(Deposit("a", number))
            assert await application.wait_for(Balances, done.position) >= done.position
            assert await application.query(BalanceOf("a")) == total
        with pytest.raises(DeadlineExceeded):
            await application.wait_for(Balances, done.position + 1, timeout=0.01)
        waiting = asyncio.create_task(application.wait_for(Balances, done.position + 1))
        await application.dispatch(Deposit("a", 1))
        assert await waiting == done.position + 1

    run(tmp_path, scenario)


def test_a_view_that_cannot_digest_an_event_stops_and_the_application_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Fragile(Projection):
        @project
        def deposited(self, event: Deposited) -> None:
            if event.amount == 13:
                raise ValueError("unlucky")

        @answer
        def anything(self, query: Anything) -> str:
            return "fine"

    application = Application(
        "bank", store=f"sqlite:///{tmp_path}/bank.db", aggregates=[Account], projections=[Balances, Fragile]
    )

    async def main() -> None:
        async with application:
            waiting = asyncio.create_task(application.wait_for(Fragile, 3))
            for amount in (1, 13, 2):
                done = await application.dispatch(Deposit("a", amount))
            with pytest.raises(ViewFailed, match="position 2: ValueError: unlucky") as caught:
                await waiting
            assert caught.value.position == 2
            for _ in range(2):
                with pytest.raises(ViewFailed):
                    await application.query(Anything())
            with pytest.raises(ViewFailed):
                await application.wait_for(Fragile, 1_000)
            await application.wait_for(Balances, done.position)
            assert await application.query(BalanceOf("a")) == 16
            assert [status.position for status in await application.views()] == [3, 1]
        assert "stopped at position 2" in caplog.text

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())


class Anything(Query[str]):
    pass


class Nonsense(Query[str]):
    pass


def test_a_question_never_harms_the_view(tmp_path: Path) -> None:
    class Touchy(Projection):
        @answer
        def anything(self, query: Anything) -> str:
            return "fine"

        @answer
        def nonsense(self, query: Nonsense) -> str:
            raise LookupError("what?")

    application = Application("q", store=f"sqlite:///{tmp_path}/q.db", aggregates=[], projections=[Touchy])

    async def main() -> None:
        async with application:
            with pytest.raises(LookupError, match="what"):
                await application.query(Nonsense())
            assert await application.query(Anything()) == "fine"

    asyncio.run(main())


# --- history ---------------------------------------------------------------------------------------------------


def test_the_state_at_a_version_a_position_and_an_instant(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        for account, amount in (("a", 1), ("b", 10), ("a", 2), ("a", 4), ("b", 20)):
            await application.dispatch(Deposit(account, amount))
        for version, expected in enumerate([0, 1, 3, 7, 7]):
            assert (await application.state(Account, "a", at=Version(version))).balance == expected
        for position, expected in enumerate([0, 1, 1, 3, 7, 7]):
            assert (await application.state(Account, "a", at=Position(position))).balance == expected
            fresh = await application.project(Balances, at=Position(position))
            assert fresh.ask(BalanceOf("a")) == expected
        times = [found.recorded_at async for found in application.store.read_stream("account-a")]
        assert (await application.state(Account, "a", at=times[-1])).balance == 7
        assert (await application.state(Account, "a", at=times[0] - timedelta(microseconds=1))).balance == 0
        assert (await application.state(Account, "a")).balance == 7
        assert (await application.state(Account, "nobody")).balance == 0

    run(tmp_path, scenario)


def test_a_moment_must_say_what_it_is(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        with pytest.raises(TypeError, match=r"Version\(…\)"):
            await application.state(Account, "a", at=5)  # type: ignore[call-overload]  # that is the point
        with pytest.raises(ValueError, match="time zone"):
            await application.state(Account, "a", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
        with pytest.raises(ValueError, match="0 or more"):
            await application.state(Account, "a", at=Version(-1))
        assert (await application.state(Account, "a", at=datetime(2026, 1, 1, tzinfo=UTC))).balance == 0

    run(tmp_path, scenario)


def test_the_live_state_is_the_state_of_the_log(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        assert await application.live_state(Account, "a") is None
        await application.dispatch(Deposit("a", 3))
        assert await application.live_state(Account, "a") == await application.state(Account, "a")

    run(tmp_path, scenario)


# --- definition ------------------------------------------------------------------------------------------------


@pytest.mark.row("CM-02")
def test_parts_that_do_not_fit_are_refused_at_definition() -> None:
    class Other(Aggregate, identity="account", category="other"):
        @decide
        def deposit(self, command: Deposit) -> None: ...

    class Twin(Aggregate, identity="account", category="account"):
        pass

    class Copy(Projection):
        @answer
        def balance_of(self, query: BalanceOf) -> int:
            return 0

    class Same(Event, name="bank.deposited"):
        pass

    class Follows(Projection):
        pass

    store = "sqlite:///never.db"
    with pytest.raises(DefinitionError, match=r"Deposit is handled by both Account and .*Other"):
        Application("x", store=store, aggregates=[Account, Other])
    with pytest.raises(DefinitionError, match="share the category 'account'"):
        Application("x", store=store, aggregates=[Account, Twin])
    with pytest.raises(DefinitionError, match="BalanceOf is handled by both"):
        Application("x", store=store, aggregates=[], projections=[Balances, Copy])
    with pytest.raises(DefinitionError, match=r"bank\.deposited v1 stands for"):
        Application("x", store=store, aggregates=[Account], events=[Same])


def test_telemetry_tells_of_every_dispatch(tmp_path: Path) -> None:
    heard: list[SpanEvent] = []

    async def scenario(application: Application) -> None:
        detach = application.telemetry.attach(SpanName("headwater", "cqrs"), heard.append)
        await application.dispatch(Deposit("a", 1))
        with pytest.raises(Rejected):
            await application.dispatch(Withdraw("a", 2))
        detach()
        await application.dispatch(Deposit("a", 1))

    run(tmp_path, scenario)
    assert [event.phase for event in heard] == ["start", "stop", "start", "exception"]
    assert heard[1].metadata == {"command": "Deposit", "stream": "account-a", "position": 1, "events": 1}
    assert isinstance(heard[3].error, Rejected)


def test_what_was_dispatched_is_answered_before_the_application_closes(tmp_path: Path) -> None:
    async def main() -> None:
        async with bank(tmp_path) as application:
            await application.dispatch(Deposit("a", 1))
            under_way = [asyncio.create_task(application.dispatch(Deposit("a", 1))) for _ in range(100)]
            await asyncio.sleep(0)
        results: list[Committed | HeadwaterError | BaseException] = await asyncio.gather(
            *under_way, return_exceptions=True
        )
        assert [type(result) for result in results] == [Committed] * 100

    asyncio.run(main())


def test_an_answer_leaves_nothing_behind_for_the_garbage_collector(tmp_path: Path) -> None:
    """A rejection's traceback that referred back to its command would cost a full collection every few thousand."""

    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1))
        gc.collect()
        gc.disable()
        try:
            for _ in range(200):
                with pytest.raises(Rejected):
                    await application.dispatch(Withdraw("a", 2))
            rejected = [outcome.result async for outcome in application.dispatch_all([Withdraw("a", 2)] * 200)]
            assert len(rejected) == 200
            del rejected
            assert gc.collect() < 100
        finally:
            gc.enable()

    run(tmp_path, scenario)


# --- bounds ----------------------------------------------------------------------------------------------------


def test_commands_beyond_the_bound_of_an_aggregate_are_refused_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(application: Application) -> None:
        await application.dispatch(Deposit("a", 1))
        monkeypatch.setattr(aggregate_process, "MAX_UNDER_WAY", 3)
        results = await asyncio.gather(
            *(application.dispatch(Deposit("a", 1)) for _ in range(5)), return_exceptions=True
        )
        assert [type(result) for result in results] == [Committed] * 3 + [StoreOverloaded] * 2
        assert (await application.dispatch(Deposit("a", 1))).version == 5
        assert await balance(application, "a") == 5

    run(tmp_path, scenario)


def test_waits_beyond_the_bound_of_a_view_are_refused_unless_others_have_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(application: Application) -> None:
        monkeypatch.setattr(waiting, "MAX_WAITING", 2)
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                await application.wait_for(Balances, 1, timeout=0.01)
        both = [asyncio.create_task(application.wait_for(Balances, 1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApplicationError, match="2 callers wait"):
            await application.wait_for(Balances, 1)
        await application.dispatch(Deposit("a", 1))
        assert await asyncio.gather(*both) == [1, 1]

    run(tmp_path, scenario)
