"""What becomes of events whose handler raises."""

import asyncio
from pathlib import Path

import pytest

from headwater import (
    Application,
    Backoff,
    Codec,
    EventHandler,
    HandlerFailure,
    Park,
    Recorded,
    Retry,
    RetryAfter,
    Skip,
    Stop,
    handle,
)
from headwater.cqrs.dead_letter import LetterDone, LetterDropped, LetterFailed, LetterParked
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.errors import (
    DefinitionError,
    HandlerStopped,
    LetterNotFound,
    Rejected,
    StorageFailed,
    SubscriptionNotFound,
)
from headwater.store.model import Appended, NewEvent
from headwater.store.store import EventStore
from headwater.testing.clock import VirtualClock
from headwater.types import IdSource
from tests.bank import Deposited

from .driving import SOON, Batches, Notes, bank, deposit, run


class Mailer(Notes, name="mailer"):
    pass


async def letters(application: Application, kind: type[EventHandler] = Mailer) -> list[int]:
    return [letter.position for letter in await application.dead_letters(kind).list()]


async def letter_events(application: Application) -> list[object]:
    return [recorded.event async for recorded in application.store.read_stream("dead-letters-mailer")]


@pytest.mark.row("BC-01")
def test_a_parked_event_is_listed_shown_replayed_and_done_while_others_go_on(tmp_path: Path) -> None:
    mailer = Mailer()
    mailer.broken = {2}

    async def first(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1, 2, 3))
        assert mailer.seen == [("account-a", 1), ("account-a", 3)]
        [status] = await application.handler_statuses()
        assert (status.parked, status.retried, status.handled) == (1, 2, 2)

    async def second(application: Application) -> None:
        box = application.dead_letters(Mailer)
        [letter] = await box.list()
        event = (await box.events(2))[0].event
        [_, stored, *_] = [recorded async for recorded in application.store.read_all()]
        assert letter == await box.show(2)
        assert (letter.handler, letter.position, letter.event_id) == ("mailer", 2, str(stored.id))
        assert (letter.stream, letter.version, letter.event_type) == ("account-a", 2, "bank.deposited")
        assert (letter.error, letter.attempts) == ("ValueError: 2 is broken", 3)
        assert "in deposited" in letter.trace
        assert letter.parked_at >= stored.recorded_at
        assert event == Deposited(2)
        again = await box.replay(2)
        assert again is not None
        assert (again.attempts, again.parked_at) == (4, letter.parked_at)
        mailer.broken.clear()
        assert await box.replay(2) is None
        assert (await box.list(), await box.count()) == ([], 0)
        assert mailer.seen[2:] == [("account-a", 2)]
        with pytest.raises(LetterNotFound, match="'mailer' has no open dead letter of position 2"):
            await box.replay(2)
        kinds = [type(event) for event in await letter_events(application)]
        assert kinds == [LetterParked, LetterFailed, LetterDone]

    run(tmp_path, first, mailer)
    run(tmp_path, second, mailer)


@pytest.mark.row("BC-01")
def test_a_dropped_letter_is_kept_with_its_reason_and_not_open(tmp_path: Path) -> None:
    mailer = Mailer()
    mailer.broken = {1}

    async def scenario(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1))
        await application.dead_letters(Mailer).drop(1, "a test account")
        assert await letters(application) == []
        assert (await letter_events(application))[1:] == [LetterDropped(1, "a test account")]
        with pytest.raises(LetterNotFound):
            await application.dead_letters(Mailer).drop(1)
        await application.reset_handler(Mailer)
        await application.wait_for(Mailer, 1)
        assert await letters(application) == [1]  # it has failed again: another letter

    run(tmp_path, scenario, mailer)


@pytest.mark.row("BC-01")
def test_a_crash_between_parking_and_acknowledgement_leaves_one_letter(tmp_path: Path) -> None:
    mailer = Mailer()
    mailer.broken = {2}

    async def first(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1, 2))

    async def crash() -> None:
        """As if the acknowledgement had not been written down."""
        application = bank(tmp_path, mailer)
        application.run_handlers = False
        async with application:
            await application.store.reset_subscription("handler mailer", 1)
            assert await letters(application) == [2]
            await application.resume_handler(Mailer)
            await application.wait_for(Mailer, 2)
            assert [type(event) for event in await letter_events(application)] == [LetterParked]

    run(tmp_path, first, mailer)
    asyncio.run(crash())


@pytest.mark.row("BC-01")
def test_two_who_park_the_same_event_at_once_leave_one_letter(tmp_path: Path) -> None:
    mailer = Mailer()

    async def scenario(application: Application) -> None:
        position = await deposit(application, "a", 1)
        await application.wait_for(Mailer, position)

        async def handle(recorded: Recorded) -> None:
            raise Rejected("no")

        boxes = [DeadLetterBox(application.store, "mailer", handle, 100) for _ in range(10)]
        letter = LetterParked("mailer", 1, "", "", "", 1, "", "", 3)
        other = LetterParked("mailer", 2, "", "", "", 1, "", "", 3)
        await asyncio.gather(*(box.park([letter, other]) for box in boxes))
        assert await letter_events(application) == [letter, other]
        await asyncio.gather(*(box.replay(1) for box in boxes))
        assert [(await box.show(1)).attempts for box in boxes] == [13] * 10

    run(tmp_path, scenario, mailer)


@pytest.mark.row("BC-01")
def test_one_box_that_parks_much_at_once_while_another_does_writes_each_letter_once(tmp_path: Path) -> None:
    async def nothing(recorded: Recorded) -> None: ...

    async def scenario(application: Application) -> None:
        boxes = [DeadLetterBox(application.store, "mailer", nothing, 1_000) for _ in range(2)]
        letters = [LetterParked("mailer", number, "", "", "", 1, "", "", 3) for number in range(1, 61)]
        for some in (letters[:30], letters[20:], letters):
            await asyncio.gather(*(box.park([letter]) for letter in some for box in boxes))
        positions = [letter.position for letter in await letter_events(application)]  # type: ignore[attr-defined]
        assert sorted(positions) == list(range(1, 61))

    run(tmp_path, scenario, Mailer())


@pytest.mark.row("CM-22")
def test_back_off_grows_within_its_bounds_and_holds_the_key_only(tmp_path: Path) -> None:
    clock = VirtualClock()

    class Patient(EventHandler, name="patient"):
        retry = Retry(5, Backoff(1.0, 4.0, jitter=0.0))

        def __init__(self) -> None:
            self.tries: list[float] = []
            self.seen: list[tuple[str, int]] = []

        @handle
        def deposited(self, event: Deposited, recorded: Recorded) -> None:
            if event.amount == 1:
                self.tries.append(clock.monotonic())
                raise ValueError("down")
            self.seen.append((recorded.stream, event.amount))

    patient = Patient()

    async def main() -> None:
        async with bank(tmp_path, patient, clock=clock) as application:
            await deposit(application, "a", 1, 2)
            await deposit(application, "b", 3)
            while ("account-b", 3) not in patient.seen:
                await asyncio.sleep(0.001)
            [status] = await application.handler_statuses()
            assert (status.waiting, status.position, status.lag) == (1, 0, 3)
            assert patient.seen == [("account-b", 3)]
            while ("account-a", 2) not in patient.seen:
                clock.advance(0.25)
                await asyncio.sleep(0.001)
            await application.wait_for(Patient, 3)
            assert await letters(application, Patient) == [1]

    asyncio.run(main())
    waits = [later - earlier for earlier, later in zip(patient.tries, patient.tries[1:], strict=False)]
    assert [round(wait) for wait in waits] == [1, 2, 4, 4]
    assert all(wait >= least for wait, least in zip(waits, [1, 2, 4, 4], strict=True))


class Policy(EventHandler):
    """One for all handlers of an application."""

    asked: list[tuple[str, int, int]]

    def on_error(self, failure: HandlerFailure) -> object:
        failure.context["count"] = count = int(str(failure.context.get("count", 0))) + 1
        self.asked.append((type(failure.error).__name__, failure.attempt, count))
        match failure.error:
            case ZeroDivisionError():
                return Skip()
            case KeyError():
                return Park()
            case ValueError():
                return RetryAfter(0.001) if count < 6 else None
            case RuntimeError():
                return Stop()
            case LookupError():
                raise TypeError("a bug in the hook")
        return None


@pytest.mark.row("CM-22")
def test_the_hook_decides_for_each_error_and_remembers(tmp_path: Path) -> None:
    class Careful(Policy, name="careful"):
        retry = SOON

        def __init__(self) -> None:
            self.asked = []
            self.errors: dict[int, Exception] = {
                1: ZeroDivisionError(),
                2: KeyError(),
                3: ValueError(),
                5: LookupError(),
                6: RuntimeError("enough"),
            }
            self.seen: list[int] = []

        @handle
        async def deposited(self, event: Deposited) -> None:
            if event.amount in self.errors:
                raise self.errors[event.amount]
            self.seen.append(event.amount)

    careful = Careful()

    async def scenario(application: Application) -> None:
        await application.wait_for(Careful, await deposit(application, "a", 1, 2, 3, 4, 5))
        assert careful.asked == [
            ("ZeroDivisionError", 1, 1),
            ("KeyError", 1, 1),
            *[("ValueError", attempt, attempt) for attempt in range(1, 7)],
            *[("LookupError", attempt, attempt) for attempt in range(1, 4)],
        ]
        parked = [letter.version for letter in await application.dead_letters(Careful).list()]
        assert (careful.seen, parked) == ([4], [2, 3, 5])
        await deposit(application, "a", 6, 7)
        with pytest.raises(HandlerStopped, match=r"'careful' has stopped: RuntimeError: enough"):
            await application.wait_for(Careful, await application.store.head())
        [status] = await application.handler_statuses()
        assert (status.state, status.failure, status.skipped) == ("stopped", "RuntimeError: enough", 1)
        await deposit(application, "b", 8)  # the application goes on
        careful.errors.clear()
        await application.resume_handler(Careful)
        await application.wait_for(Careful, await application.store.head())
        assert sorted(careful.seen) == [4, 6, 7, 8]

    run(tmp_path, scenario, careful)


@pytest.mark.row("CM-21")
def test_only_what_can_not_be_handled_alone_is_parked_of_a_batch(tmp_path: Path) -> None:
    class Grouped(Batches, name="grouped"):
        batch_size = 10
        batch_timeout = 30.0

    grouped = Grouped()
    grouped.broken = {3, 7}

    async def scenario(application: Application) -> None:
        await application.store.append("account-a", [Deposited(number) for number in range(10)])
        await application.wait_for(Grouped, 10)
        assert grouped.batches[:3] == [list(range(10))] * 3
        assert grouped.batches[3:] == [[number] for number in range(10)]
        assert await letters(application, Grouped) == [4, 8]

    run(tmp_path, scenario, grouped)


@pytest.mark.row("CM-21")
def test_a_batch_that_fails_is_not_acknowledged_in_part(tmp_path: Path) -> None:
    class AllOrNothing(Batches, name="all or nothing"):
        batch_size = 5
        batch_timeout = 30.0

        def on_error(self, failure: HandlerFailure) -> object:
            return Stop()

    handler = AllOrNothing()
    handler.broken = {3}

    async def scenario(application: Application) -> None:
        await application.store.append("account-a", [Deposited(number) for number in range(5)])
        with pytest.raises(HandlerStopped):
            await application.wait_for(AllOrNothing, 5)
        handler.broken.clear()
        await application.resume_handler(AllOrNothing)
        await application.wait_for(AllOrNothing, 5)
        assert handler.batches == [list(range(5))] * 2

    run(tmp_path, scenario, handler)


def test_a_hook_s_verdict_on_a_batch_is_for_the_events_that_fail_alone(tmp_path: Path) -> None:
    class Skipping(Batches, name="skipping"):
        batch_size = 5
        batch_timeout = 30.0

        def on_error(self, failure: HandlerFailure) -> object:
            return Skip()

    handler = Skipping()
    handler.broken = {3}

    async def scenario(application: Application) -> None:
        await application.store.append("account-a", [Deposited(number) for number in range(5)])
        await application.wait_for(Skipping, 5)
        assert handler.batches == [list(range(5)), [0], [1], [2], [3], [4]]
        [status] = await application.handler_statuses()
        assert (status.handled, status.skipped, status.parked) == (4, 1, 0)

    run(tmp_path, scenario, handler)


def test_a_handler_stops_before_it_parks_more_than_it_may(tmp_path: Path) -> None:
    class Few(Notes, name="few"):
        max_parked = 2

    few = Few()
    few.broken = {1, 2, 3}

    async def scenario(application: Application) -> None:
        position = await deposit(application, "a", 1, 2, 3, 4)
        with pytest.raises(HandlerStopped, match="2 open dead letters, and 2 are allowed"):
            await application.wait_for(Few, position)
        assert (await letters(application, Few), few.seen) == ([1, 2], [])
        few.broken.clear()
        await application.dead_letters(Few).replay(1)
        await application.resume_handler(Few)
        await application.wait_for(Few, position)
        assert [amount for _, amount in few.seen] == [1, 3, 4]

    run(tmp_path, scenario, few)


def test_an_event_that_can_not_be_decoded_is_parked(tmp_path: Path) -> None:
    async def write(path: Path) -> None:
        async with await EventStore.open(f"sqlite:///{path}/bank.db", Codec.of(Deposited)) as store:
            await store.append_encoded("account-old", [NewEvent("bank.deposited", 7, b"{}", IdSource().next_bytes())])

    mailer = Mailer()

    async def scenario(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1))
        [letter] = await application.dead_letters(Mailer).list()
        assert (letter.position, letter.attempts) == (1, 1)
        assert letter.error.startswith("UnknownType: position 1")
        assert mailer.seen == [("account-a", 1)]

    asyncio.run(write(tmp_path))
    run(tmp_path, scenario, mailer)


def test_a_handler_that_can_not_start_tries_again_and_the_application_goes_on(tmp_path: Path) -> None:
    class Unlucky(Notes, name="unlucky"):
        starts = 0

        async def init(self) -> None:
            self.starts += 1
            if self.starts < 3:
                raise ConnectionError("nobody listens")

    unlucky = Unlucky()
    clock = VirtualClock()

    async def main() -> None:
        async with bank(tmp_path, unlucky, clock=clock) as application:
            await deposit(application, "a", 1)
            while unlucky.starts < 1:
                await asyncio.sleep(0.001)
            [status] = await application.handler_statuses()
            assert (status.state, status.failure) == ("backing off", "ConnectionError: nobody listens")
            while not unlucky.seen:
                clock.advance(0.1)
                await asyncio.sleep(0.001)
            [status] = await application.handler_statuses()
            assert (status.state, status.failure) == ("running", None)

    asyncio.run(main())


def test_letters_that_can_not_be_written_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline gives up after some attempts, and the events come again."""
    append = EventStore.append
    failing = 5

    async def fail_sometimes(store: EventStore, stream: str, *args: object, **more: object) -> Appended:
        nonlocal failing
        if stream.startswith("dead-letters") and failing:
            failing -= 1
            raise StorageFailed("no room")
        return await append(store, stream, *args, **more)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(EventStore, "append", fail_sometimes)
    mailer = Mailer()
    mailer.broken = {1}

    async def scenario(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1, 2))
        assert (await letters(application), failing) == ([1], 0)

    run(tmp_path, scenario, mailer)


def test_a_handler_whose_subscription_is_deleted_begins_anew(tmp_path: Path) -> None:
    mailer = Mailer()

    async def scenario(application: Application) -> None:
        await application.wait_for(Mailer, await deposit(application, "a", 1))
        await application.store.delete_subscription("handler mailer", force=True)
        await application.wait_for(Mailer, await deposit(application, "a", 2))
        assert mailer.seen[-1] == ("account-a", 2)
        with pytest.raises(SubscriptionNotFound):
            await application.store.delete_subscription("handler nobody")

    run(tmp_path, scenario, mailer)


def test_verdicts_are_checked() -> None:
    with pytest.raises(DefinitionError, match="seconds from 0, not -1"):
        RetryAfter(-1)
