"""Events of earlier days, wherever events are read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from headwater import (
    Aggregate,
    AppendCondition,
    Codec,
    Event,
    EventQuery,
    EventStore,
    GenServer,
    Personal,
    Raw,
    Recorded,
    Snapshot,
    SubscriptionOptions,
    System,
    Undecoded,
    Version,
    evolve,
    generate_master_key,
    upcast,
)
from headwater.errors import AlreadyAcknowledged, ConditionFailed, Undecodable
from headwater.sourcing.event_ids import event_id
from headwater.sourcing.repository import Repository
from headwater.store.subscription_process import EventsArrived
from headwater.types import IdSource

from .ledger import (
    Deposited,
    Ledger,
    Moved,
    OldDeposited,
    Opened,
    Paid,
    Pinged,
    Put,
    Spending,
    Spent,
    Withdrawn,
    codec,
    ledger,
    old_codec,
)

OLD: list[Event] = [
    OldDeposited(100, "ann"),  # 1
    Pinged("noon"),  # 2
    Moved(30, 10, "ann"),  # 3: two events
    Paid(20, "ben"),  # 4
    Moved(5, 0, "ann"),  # 5: one event
    Opened("ann"),  # 6: as it is
    Pinged("evening"),  # 7
]
NEW: list[tuple[int, int, Event]] = [
    (1, 0, Deposited(100, "EUR", "ann", "l-1")),
    (3, 0, Withdrawn(30, "ann")),
    (3, 1, Deposited(10, "EUR", "ann", "l-1")),
    (4, 0, Withdrawn(20, "ben")),
    (5, 0, Withdrawn(5, "ann")),
    (6, 0, Opened("ann")),
]
WITHDRAWALS = [one for one in NEW if isinstance(one[2], Withdrawn)]


async def write_old(url: str) -> None:
    async with await EventStore.open(url, old_codec()) as store:
        for event in OLD:
            await store.append("ledger-l-1", [event])


def upcast_log(tmp_path: Path, body: Callable[[EventStore], Awaitable[None]]) -> None:
    """Run `body` on a log of old events that today's code has opened."""

    async def main() -> None:
        url = f"sqlite:///{tmp_path}/events.db"
        await write_old(url)
        async with await EventStore.open(url, codec()) as store:
            await body(store)

    asyncio.run(main())


def seen(recorded: Recorded) -> tuple[int, int, object]:
    assert recorded.type == type(recorded.event).type_name.name  # type: ignore[attr-defined]  # it is an Event
    return int(recorded.position), recorded.index, recorded.event


@pytest.mark.row("BS-09")
def test_reads_give_today_s_events_with_the_places_of_the_old_ones(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        assert [seen(one) async for one in store.read_all()] == NEW
        assert [seen(one) async for one in store.read_all(backwards=True)] == NEW[::-1]
        read = [seen(one) async for one in store.read_stream("ledger-l-1", 2, undecodable="keep")]
        assert read == NEW[1:]
        raw = [(stored.type, stored.schema) async for stored in store.raw_all()]
        assert raw == [event.type_name for event in OLD]  # the log itself stays as it is
        appended = await store.append("ledger-l-1", [Withdrawn(1, "ann")], expected=len(OLD))
        assert appended.version == len(OLD) + 1  # versions count stored events

    upcast_log(tmp_path, body)


@pytest.mark.row("BS-09")
def test_a_type_is_found_under_all_its_old_names_and_nothing_else_is(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        query = store.query(Withdrawn)
        assert [seen(one) async for one in store.read_all(query=query)] == WITHDRAWALS
        assert [seen(one) async for one in store.read_all(query=query, backwards=True)] == WITHDRAWALS[::-1]
        ann = store.query(Withdrawn, tags=["owner:ann"])
        assert [seen(one)[0] async for one in store.read_all(query=ann)] == [3, 5]
        assert [one async for one in store.read_all(query=EventQuery.of("bank.moved"))] == []  # nothing is read as one
        followed = [seen(await anext(events)) for events in [store.follow_events(query=query)] for _ in WITHDRAWALS]
        assert followed == WITHDRAWALS
        subscribed = [seen(await anext(events)) for events in [store.subscribe(query=query)] for _ in WITHDRAWALS]
        assert subscribed == WITHDRAWALS
        raw = [stored.type async for stored in store.raw_all(query=query)]
        assert raw == []  # raw is raw
        raw = [stored.type async for stored in store.raw_all(query=store.as_stored(query))]
        assert raw == ["bank.moved", "bank.paid", "bank.moved"]

    upcast_log(tmp_path, body)


@pytest.mark.row("BS-09")
def test_a_condition_sees_old_events_as_what_they_are_now(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        query = store.query(Withdrawn, tags=["owner:ben"])
        with pytest.raises(ConditionFailed):  # position 4 is a payment of ben's
            await store.append("s", [Opened("ben")], condition=AppendCondition(query, after=3))
        await store.append("s", [Opened("ben")], condition=AppendCondition(query, after=4))

    upcast_log(tmp_path, body)


@pytest.mark.row("BS-09")
def test_a_subscription_is_done_with_an_event_when_all_its_parts_are(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        async with store.subscription("all") as events:
            given = [await anext(events) for _ in NEW]
            assert [seen(one) for one in given] == NEW
            await events.ack(given[0])
            await events.ack(given[2])  # the second part of the event at position 3
            with pytest.raises(AlreadyAcknowledged):
                await events.ack(given[2])
            await events.flush()
            info = await store.subscription_info("all")
            assert info is not None
            assert info.checkpoint == 2  # what is left out needs nobody's acknowledgement
        async with store.subscription("all", max_unacknowledged=2) as events:
            [first] = await events.take(1)
            [second] = await events.take(1)  # the rest of the same event
            assert [seen(first), seen(second)] == NEW[1:3]
            await events.ack_many([second, first])
            for expected in NEW[3:]:
                one = await anext(events)
                assert seen(one) == expected
                await events.ack_up_to(one)
            await asyncio.sleep(0)
            fresh = await store.append("s", [Opened("zoe")])
            one = await anext(events)
            assert one.position == fresh.position
            await events.ack_up_to(one)
            await events.flush()
            info = await store.subscription_info("all")
            assert info is not None
            assert info.checkpoint == fresh.position
        async with store.subscription("withdrawals", query=store.query(Withdrawn)) as events:
            assert [seen(await anext(events)) for _ in WITHDRAWALS] == WITHDRAWALS

    upcast_log(tmp_path, body)


class Collector(GenServer):
    def init(self, done: asyncio.Event) -> None:
        self.found: list[tuple[int, int, object]] = []
        self.done = done

    def handle_info(self, message: object) -> None:
        if isinstance(message, EventsArrived):
            self.found += map(seen, message.events)
            message.subscription.ack_many(message.events)
            if len(self.found) == len(NEW):
                self.done.set()


@pytest.mark.row("BS-09")
def test_a_process_gets_today_s_events_too(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        async with System("test") as system:
            done = asyncio.Event()
            pid = await system.start(Collector, done)
            consumer = await store.subscribe_process(pid, SubscriptionOptions(name="p", max_unacknowledged=1))
            await asyncio.wait_for(done.wait(), 10)
            assert pid.process.server.found == NEW  # type: ignore[attr-defined]  # the Collector
            await consumer.leave()
            info = await store.subscription_info("p")
            assert info is not None
            assert info.checkpoint >= NEW[-1][0]

    upcast_log(tmp_path, body)


@pytest.mark.row("BS-09")
@pytest.mark.row("CM-31")
def test_an_application_of_today_goes_on_with_the_log_of_yesterday(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/events.db"
        await write_old(url)
        async with ledger(url) as application:
            assert (await application.state(Ledger, "l-1")).balance == 100 - 30 + 10 - 20 - 5
            assert (await application.state(Ledger, "l-1", at=Version(3))).balance == 80
            assert await application.query(Spent("ann")) == 35
            assert await application.query(Spent("ben")) == 20
            rebuilt = await application.project(Spending)
            assert rebuilt.ask(Spent("ann")) == 35
            done = await application.dispatch(Put("l-1", 1, "ann"))
            assert done.version == len(OLD) + 1
            state = await application.dispatch(Put("l-1", 1, "ann"), returning=Ledger)
            assert state.balance == 57

    asyncio.run(main())


# --- what goes wrong ---------------------------------------------------------------------------------------------


class Noted(Event, name="noted"):
    amount: int


class Kept(Event, name="kept", version=2):
    amount: int


@upcast("noted", to=[("kept", 2), ("kept", 3)])
def faulty(data: dict[str, object]) -> Iterator[Raw]:
    yield Raw("kept", {"amount": 1}, 2)
    match data["amount"]:
        case 1:
            raise KeyError("nothing")
        case 2:
            yield Raw("kept", {"amount": "a lot"}, 2)
        case 3:
            yield Raw("unheard", {})
        case 4:
            yield {"amount": 4}  # type: ignore[misc]  # that is what is refused
        case 5:
            yield Raw("kept", {"amount": object()}, 2)


@upcast("kept", schema=3, to=[("kept", 2)])
def impossible(data: dict[str, object]) -> dict[str, object]:
    return data


@upcast("kept", schema=1)
def kept_1(data: dict[str, object]) -> dict[str, object]:
    return data


@pytest.mark.row("BS-09")
@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (1, r"faulty raised KeyError\('nothing'\)"),
        (2, "what upcasters made of a noted v1 is unusable.*amount"),
        (3, "faulty gave a unheard v1, which it doesn't declare"),
        (4, "faulty raised TypeError.*no Raw"),
        (5, "unusable"),
    ],
)
def test_a_failing_upcaster_is_named_with_the_place_and_gives_nothing_halfway(amount: int, message: str) -> None:
    async def main() -> None:
        async with await EventStore.open("memory://", Codec.of(Noted)) as old:
            await old.append("s", [Noted(amount), Noted(0)])
            coding = Codec.of(Kept, upcasters=[faulty, impossible, kept_1])
            store = EventStore(old.adapter, coding)
            with pytest.raises(Undecodable, match=rf"position 1, stream 's', version 1: .*{message}") as caught:
                await anext(store.read_all())
            assert caught.value.position == 1
            kept = [one.event async for one in store.read_all(undecodable="keep")]
            assert isinstance(kept[0], Undecoded)
            assert kept[1:] == [Kept(1)]
            [second] = [stored async for stored in store.raw_all(1)]
            assert store.decode(second) == Kept(1)

    asyncio.run(main())


def test_decode_gives_one_event_or_says_that_there_are_others(tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        stored = [one async for one in store.raw_all()]
        assert store.decode(stored[0]) == NEW[0][2]
        for index, count in ((1, 0), (2, 2)):
            with pytest.raises(Undecodable, match=rf"upcasters make {count} events of a .*`unfold`"):
                store.decode(stored[index])
            assert len(store.unfold(stored[index])) == count

    upcast_log(tmp_path, body)


class Registered(Event, name="registered", subject="person"):
    person: str
    name: Personal[str]


class Joined(Event, name="joined", subject="person"):
    person: str
    full_name: Personal[str]


@upcast("registered", to=[("joined", 1)])
def joined(data: dict[str, object]) -> Raw:
    return Raw("joined", {"person": data["person"], "full_name": data["name"]})


@pytest.mark.row("BS-09")
def test_personal_fields_are_opened_before_and_stay_erased(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    url, key = f"sqlite:///{tmp_path}/events.db", generate_master_key()

    async def main() -> None:
        async with await EventStore.open(url, Codec.of(Registered), master_key=key) as store:
            await store.append("s", [Registered("p-1", "Ann"), Registered("p-2", "Ben")])
            await store.forget("p-2")
        async with await EventStore.open(url, Codec.of(Joined, upcasters=[joined]), master_key=key) as store:
            assert [one.event async for one in store.read_all()] == [Joined("p-1", "Ann"), Joined("p-2", None)]
        async with await EventStore.open(url, Codec.of(Joined, upcasters=[joined])) as store:
            with pytest.raises(Undecodable, match="no master key"):
                [one async for one in store.read_all()]

    asyncio.run(main())


def test_a_repeated_command_is_recalled_from_old_events(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/events.db"
        old = Codec.of(Pinged, Moved, OldDeposited)
        command = IdSource().next()
        async with await EventStore.open(url, old) as store:
            ids = [event_id(command.bytes, 0)]
            await store.append("ledger-l-1", [Moved(9, 4, "ann")], ids=ids, causation=command)
        async with ledger(url) as application:
            again = await application.dispatch(Put("l-1", 1, "ann"), id=command)
            assert [msgspec.structs.asdict(event)["amount"] for event in again.events] == [9, 4]
            assert again.version == 1

    asyncio.run(main())


class Before(Aggregate, identity="ledger", category="kept", snapshot_every=1):
    total: int = 0

    @evolve
    def deposited(self, event: OldDeposited) -> None:
        self.total += event.cents


class Since(Aggregate, identity="ledger", category="kept", snapshot_every=1):
    total: int = 0

    @evolve
    def deposited(self, event: Deposited) -> None:
        self.total += event.amount + 1


def test_a_snapshot_of_the_old_events_is_not_taken_for_one_of_the_new(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/events.db"
        async with await EventStore.open(url, old_codec()) as store:
            await store.append("kept-k", [OldDeposited(5, "ann")])
            old = (await Repository(store).load(Before, "k")).aggregate
            await store.save_snapshot(Snapshot("kept-k", Before.snapshot_key(), 1, old.dump_state()))
            assert (await Repository(store).load(Before, "k")).snapshot == 1
        async with await EventStore.open(url, codec()) as store:
            loaded = await Repository(store).load(Since, "k")
            assert (loaded.snapshot, loaded.aggregate.total) == (0, 6)

    asyncio.run(main())
