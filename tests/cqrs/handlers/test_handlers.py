"""Event handlers: what they get, from where on, and what is known of them."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headwater import (
    Application,
    Command,
    Event,
    EventHandler,
    Recorded,
    Start,
    handle,
)
from headwater.errors import (
    ApplicationError,
    CallingSelf,
    DeadlineExceeded,
    DefinitionError,
    SubscriptionNotFound,
    UnknownHandler,
)
from headwater.telemetry import SpanEvent, SpanName, Telemetry
from tests.bank import Account, Audit, Audited, Deposit, Deposited, Withdraw, Withdrawn

from .driving import Batches, Notes, bank, deposit, run


class Mailer(Notes, name="mailer"):
    pass


class Everything(EventHandler, name="everything"):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def handle_batch(self, events: list[Recorded]) -> None:
        self.seen += [recorded.type for recorded in events]


@pytest.mark.row("CM-17")
def test_an_event_is_acknowledged_after_its_handler_and_comes_once_while_nothing_dies(tmp_path: Path) -> None:
    mailer = Mailer()

    async def first(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1, 2))

    async def second(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "b", 3))
        [status] = await application.handler_statuses()
        assert (status.handler, status.state, status.position, status.lag) == ("mailer", "running", 3, 0)
        assert (status.handled, status.under_way, status.waiting, status.failure) == (1, 0, 0, None)

    run(tmp_path, first, mailer)
    run(tmp_path, second, mailer)
    assert mailer.seen == [("account-a", 1), ("account-a", 2), ("account-b", 3)]


@pytest.mark.row("CM-17")
def test_what_was_under_way_when_the_application_was_killed_comes_again(tmp_path: Path) -> None:
    class Slow(EventHandler, name="slow"):
        shutdown = 0.01

        def __init__(self, hang: int) -> None:
            self.begun: list[int] = []
            self.hang = hang
            self.reached = asyncio.Event()

        @handle
        async def deposited(self, event: Deposited) -> None:
            self.begun.append(event.amount)
            if event.amount == self.hang:
                self.reached.set()
                await asyncio.get_running_loop().create_future()

    hanging, well = Slow(2), Slow(0)

    async def hang(application: Application) -> None:
        await deposit(application, "a", 1, 2, 3)
        await hanging.reached.wait()

    async def again(application: Application) -> None:
        await application.wait_for(Slow, 3)

    run(tmp_path, hang, hanging)
    run(tmp_path, again, well)
    assert (hanging.begun, well.begun) == ([1, 2], [2, 3])


@pytest.mark.row("CM-18")
def test_a_new_name_begins_where_it_says_and_an_old_one_where_it_was(tmp_path: Path) -> None:
    class FromOrigin(Notes, name="origin"):
        pass

    class FromHead(Notes, name="head", start_from=Start.HEAD):
        pass

    class FromPosition(Notes, name="position", start_from=2):
        pass

    class FromTime(Notes, name="time", start_from=datetime(2100, 1, 1, tzinfo=UTC)):
        pass

    class Later(Notes, name="head", start_from=Start.ORIGIN):
        pass

    handlers = [FromOrigin(), FromHead(), FromPosition(), FromTime()]
    later = Later()

    async def before(application: Application) -> None:
        await deposit(application, "a", 1, 2, 3)

    async def first(application: Application) -> None:
        for kind in application.handlers.classes:  # so that «the head» is before what follows
            await application.wait_for(kind, 3)
        position = await deposit(application, "a", 4)
        for kind in application.handlers.classes:
            await application.wait_for(kind, position)

    async def second(application: Application) -> None:
        await application.wait_for(Later, await deposit(application, "a", 5))

    run(tmp_path, before)
    run(tmp_path, first, *handlers)
    run(tmp_path, second, later)
    assert [[amount for _, amount in one.seen] for one in handlers] == [[1, 2, 3, 4], [4], [3, 4], [4]]
    assert later.seen == [("account-a", 5)]


@pytest.mark.row("CM-19")
def test_handlers_of_everything_one_stream_a_category_types_and_tags(tmp_path: Path) -> None:
    class Tagged(Event, tags=("kind",)):
        kind: str

    class OneStream(Notes, name="one stream", stream="account-b"):
        pass

    class Accounts(Batches, name="accounts", category="account"):
        pass

    class Red(EventHandler, name="red", tags=["kind:red"]):
        def __init__(self) -> None:
            self.seen: list[str] = []

        @handle
        def tagged(self, event: Tagged) -> None:
            self.seen.append(event.kind)

    everything, one, accounts, red = Everything(), OneStream(), Accounts(), Red()
    handlers = (everything, one, accounts, red)

    async def scenario(application: Application) -> None:
        await deposit(application, "a", 1)
        await deposit(application, "b", 2)
        await application.dispatch(Audit("a", "look"))
        await application.dispatch(Withdraw("b", 1))
        await application.store.append("accountants", [Tagged("red"), Deposited(7)])
        done = await application.store.append("account-c", [Deposited(8), Tagged("blue")])
        for kind in application.handlers.classes:
            await application.wait_for(kind, done.position)

    run(tmp_path, scenario, *handlers)
    counts = {"bank.deposited": 4, "bank.audited": 2, "bank.withdrawn": 1, "Tagged": 2}
    assert Counter(everything.seen) == counts
    assert one.seen == [("account-b", 2)]
    assert [amount for batch in accounts.batches for amount in batch] == [1, 2, 8]
    assert red.seen == ["red"]


@pytest.mark.row("CM-23")
def test_a_handler_knows_all_that_the_log_knows_and_what_runs_it(tmp_path: Path) -> None:
    class Knowing(EventHandler, name="knowing"):
        def __init__(self) -> None:
            self.seen: list[tuple[str, str, Recorded]] = []

        @handle
        def deposited(self, event: Deposited, recorded: Recorded) -> None:
            self.seen.append((self.application.name, self.handler, recorded))

    knowing = Knowing()
    with pytest.raises(ApplicationError, match="no application"):
        _ = knowing.application

    async def scenario(application: Application) -> None:
        done = await application.dispatch(Deposit("a", 1), metadata={"user": "u-1"})
        await application.wait_for(Knowing, done.position)
        [stored] = [recorded async for recorded in application.store.read_all()]
        assert knowing.seen == [("bank", "knowing", stored)]
        assert stored.metadata == {"user": "u-1"}
        assert (stored.stream, stored.version, stored.position) == ("account-a", 1, 1)
        assert None not in (stored.causation, stored.correlation, stored.id, stored.recorded_at)

    run(tmp_path, scenario, knowing)


@pytest.mark.row("CM-24")
def test_state_is_made_at_each_start_and_is_not_durable(tmp_path: Path) -> None:
    made: list[str] = []

    class Counting(EventHandler, name="counting"):
        async def init(self) -> None:
            self.count = 0
            made.append("init")

        @handle
        def deposited(self, event: Deposited) -> None:
            self.count += 1
            made.append(f"event {self.count}")

        async def close(self) -> None:
            made.append("close")

    async def scenario(application: Application) -> None:
        await application.wait_for(Counting, await deposit(application, "a", 1, 2))

    run(tmp_path, scenario, Counting)
    run(tmp_path, scenario, Counting)
    assert made == ["init", "event 1", "event 2", "close"] * 2


@pytest.mark.row("CM-25")
def test_a_reset_calls_the_hook_and_handles_everything_again(tmp_path: Path) -> None:
    class Resettable(Notes, name="resettable"):
        refuse = False

        def before_reset(self) -> None:
            if self.refuse:
                raise ValueError("not now")
            self.seen.clear()

    handler = Resettable()

    async def scenario(application: Application) -> None:
        await application.wait_for(Resettable, await deposit(application, "a", 1, 2, 3))
        handler.seen.append(("", 99))
        await application.reset_handler(Resettable)
        await application.wait_for(Resettable, 3)
        assert [amount for _, amount in handler.seen] == [1, 2, 3]
        await application.reset_handler(Resettable, 2)
        await application.wait_for(Resettable, 3)
        assert [amount for _, amount in handler.seen] == [3]
        handler.refuse = True
        with pytest.raises(ValueError, match="not now"):
            await application.reset_handler(Resettable)
        await application.wait_for(Resettable, await deposit(application, "a", 4))
        assert [amount for _, amount in handler.seen] == [3, 4]

    run(tmp_path, scenario, handler)


def test_a_handler_that_never_ran_can_not_be_reset(tmp_path: Path) -> None:
    async def main() -> None:
        application = bank(tmp_path, Mailer())
        application.run_handlers = False
        async with application:
            await deposit(application, "a", 1)
            with pytest.raises(SubscriptionNotFound):
                await application.reset_handler(Mailer)
            assert [status.state for status in await application.handler_statuses()] == ["paused"]
            with pytest.raises(DeadlineExceeded):
                await application.wait_for(Mailer, 1, timeout=0.01)
            await application.resume_handler(Mailer)
            await application.wait_for(Mailer, 1)

    asyncio.run(main())


def test_a_dispatch_may_wait_for_handlers_and_views_together(tmp_path: Path) -> None:
    mailer = Mailer()

    async def scenario(application: Application) -> None:
        for number in range(20):
            await application.dispatch(Deposit("a", number + 1), wait_for=[Mailer, *application.projections])
            assert len(mailer.seen) == number + 1

    run(tmp_path, scenario, mailer)


def test_a_handler_may_dispatch_but_not_wait_for_itself(tmp_path: Path) -> None:
    class Note(Command):
        account: str

    class Auditor(EventHandler, name="auditor"):
        def __init__(self) -> None:
            self.refused: list[str] = []

        @handle
        async def deposited(self, event: Deposited, recorded: Recorded) -> None:
            account = recorded.stream.removeprefix("account-")
            with pytest.raises(CallingSelf, match="auditor"):
                await self.application.dispatch(Audit(account, "self"), wait_for=[Auditor])
            await self.application.dispatch(Audit(account, "seen"), because=recorded)

    async def scenario(application: Application) -> None:
        await application.wait_for(Auditor, await deposit(application, "a", 1))
        events = [recorded async for recorded in application.store.read_all()]
        assert [recorded.event for recorded in events] == [Deposited(1), Audited("seen"), Audited("done")]
        assert events[1].correlation == events[0].correlation
        assert events[1].metadata == {"because": str(events[0].id)}

    run(tmp_path, scenario, Auditor)


def test_the_wait_for_a_handler_of_one_stream_is_by_position_too(tmp_path: Path) -> None:
    class OneStream(Notes, name="one stream", stream="account-b"):
        pass

    handler = OneStream()

    async def scenario(application: Application) -> None:
        await deposit(application, "a", 1, 2, 3)
        await application.wait_for(OneStream, 3)
        for number in range(10):
            position = await deposit(application, "b", number) if number else 3
            await application.wait_for(OneStream, position)
            assert len(handler.seen) == number
            await deposit(application, "a", 1)

    run(tmp_path, scenario, handler)


def test_wrong_definitions_are_refused_by_name() -> None:
    with pytest.raises(DefinitionError, match="Nothing: it handles nothing"):
        type("Nothing", (EventHandler,), {}, name="nothing")
    with pytest.raises(DefinitionError, match="name is empty"):
        type("Nameless", (Notes,), {}, name="")
    with pytest.raises(DefinitionError, match="can't be marked"):
        type("Both", (Notes,), {"handle_batch": Batches.handle_batch}, name="both")
    with pytest.raises(DefinitionError, match="never be full"):
        type("Big", (Batches,), {"batch_size": 2_000}, name="big")
    with pytest.raises(DefinitionError, match="concurrency is a whole number"):
        type("None", (Notes,), {"concurrency": 0}, name="none")
    with pytest.raises(DefinitionError, match="0 or a higher place"):
        type("Early", (Notes,), {}, name="early", start_from=-1)
    with pytest.raises(DefinitionError, match="`events` is for handle_batch"):
        type("Twice", (Notes,), {}, name="twice", events=[Withdrawn])
    with pytest.raises(DefinitionError, match="has two methods for Deposited"):
        type("Double", (Notes,), {"second": _second}, name="double")


@handle
def _second(self: object, event: Deposited) -> None:
    pass


def test_names_are_unique_and_handlers_known(tmp_path: Path) -> None:
    class Other(Notes, name="mailer"):
        pass

    with pytest.raises(DefinitionError, match=r"Mailer and .*Other are both called 'mailer'"):
        bank(tmp_path, Mailer(), Other())
    with pytest.raises(DefinitionError, match=r"Notes has no name"):
        bank(tmp_path, Notes())

    async def scenario(application: Application) -> None:
        with pytest.raises(UnknownHandler, match="Other is no handler of this application; known: mailer"):
            await application.wait_for(Other, 1)
        with pytest.raises(UnknownHandler):
            application.dead_letters(Other)

    run(tmp_path, scenario, Mailer())


def test_spans_tell_of_each_event_and_each_batch(tmp_path: Path) -> None:
    class Together(Batches, name="together"):
        pass

    heard: list[SpanEvent] = []
    telemetry = Telemetry()
    telemetry.attach(SpanName("headwater", "cqrs", "handle"), heard.append)
    telemetry.attach(SpanName("headwater", "cqrs", "handle_batch"), heard.append)
    mailer, together = Mailer(), Together()
    mailer.broken = {2}

    async def main() -> None:
        async with bank(tmp_path, mailer, together, telemetry=telemetry) as application:
            position = await deposit(application, "a", 1, 2)
            await application.wait_for(Mailer, position)
            await application.wait_for(Together, position)

    asyncio.run(main())
    one = [(e.phase, e.metadata["position"], e.metadata["attempt"]) for e in heard if e.name[-1] == "handle"]
    broken = [(phase, 2, attempt) for attempt in (1, 2, 3) for phase in ("start", "exception")]
    assert one == [("start", 1, 1), ("stop", 1, 1), *broken]
    batches = [(e.phase, e.metadata["handler"], e.metadata["count"]) for e in heard if e.name[-1] == "handle_batch"]
    assert {phase for phase, _, _ in batches} == {"start", "stop"}
    assert sum(int(str(count)) for phase, _, count in batches if phase == "stop") == 2


def test_an_application_without_handlers_has_no_process_for_them(tmp_path: Path) -> None:
    async def scenario(application: Application) -> None:
        assert await application.handler_statuses() == []
        assert Account in application.aggregates

    run(tmp_path, scenario)
