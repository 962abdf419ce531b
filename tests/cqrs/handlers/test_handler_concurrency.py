"""Keys, batches, and the end: what runs at once, what waits, what is finished."""

import asyncio
from collections.abc import Awaitable, Hashable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, Backoff, EventHandler, HandlerFailure, Recorded, Retry, handle
from tests.bank import Deposit, Deposited

from .driving import SOON, Batches, Notes, bank, deposit, run


class Gated(EventHandler):
    """Waits at a gate for events of the key «slow»."""

    retry = SOON

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.done: dict[str, list[int]] = {}
        self.at_once = 0
        self.most = 0

    @handle
    async def deposited(self, event: Deposited, recorded: Recorded) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        if recorded.stream == "account-slow":
            await self.gate.wait()
        self.done.setdefault(recorded.stream, []).append(event.amount)
        self.at_once -= 1


@pytest.mark.row("CM-20")
def test_a_slow_key_blocks_no_other_and_each_key_keeps_its_order(tmp_path: Path) -> None:
    class Concurrent(Gated, name="concurrent"):
        concurrency = 4

    handler = Concurrent()

    async def scenario(application: Application) -> None:
        assert await application.pause_handler(Concurrent)
        for number in range(1, 31):
            await application.dispatch(Deposit("slow", number))
            for account in range(10):
                position = await application.dispatch(Deposit(f"{account}", number), returning="position")
        await application.resume_handler(Concurrent)
        while sum(map(len, handler.done.values())) < 300:
            await asyncio.sleep(0)
        assert "account-slow" not in handler.done
        [status] = await application.handler_statuses()
        assert (status.under_way, status.position, status.lag) == (1, 0, 330)
        handler.gate.set()
        await application.wait_for(Concurrent, position)
        assert handler.done == {f"account-{key}": list(range(1, 31)) for key in [*range(10), "slow"]}
        assert handler.most == 4

    run(tmp_path, scenario, handler)


@pytest.mark.row("CM-20")
def test_the_key_is_the_handler_s_choice(tmp_path: Path) -> None:
    class ByAmount(Gated, name="by amount"):
        concurrency = 4

        def partition_by(self, recorded: Recorded) -> Hashable:
            return "one for all"

    handler = ByAmount()
    handler.gate.set()

    async def scenario(application: Application) -> None:
        for number in range(1, 41):
            position = await application.dispatch(Deposit(f"{number % 4}", number), returning="position")
        await application.wait_for(ByAmount, position)
        assert handler.most == 1

    run(tmp_path, scenario, handler)


@pytest.mark.row("CM-21")
def test_batches_close_by_size_and_by_time_and_go_with_concurrency_and_waits(tmp_path: Path) -> None:
    """In one handler: batches, several at once, order per key, and a dispatch that waits for it."""

    class Bulk(EventHandler, name="bulk"):
        concurrency = 3
        batch_size = 8
        batch_timeout = 0.02
        retry = SOON

        def __init__(self) -> None:
            self.batches: list[list[tuple[str, int]]] = []
            self.at_once = 0
            self.most = 0
            self.failing = 3

        async def handle_batch(self, events: list[Recorded]) -> None:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            try:
                for _ in range(30):
                    await asyncio.sleep(0)
                self.failing -= 1
                if self.failing in (0, 1):
                    raise ConnectionError("not now")
                batch = [(one.stream, one.event.amount) for one in events if isinstance(one.event, Deposited)]
                self.batches.append(batch)
            finally:
                self.at_once -= 1

    handler = Bulk()

    async def scenario(application: Application) -> None:
        for stream in range(20):
            await application.store.append(f"account-{stream}", [Deposited(number) for number in range(1, 21)])
        await application.wait_for(Bulk, 400)
        done = await application.dispatch(Deposit("late", 1), wait_for=[Bulk])
        assert handler.batches[-1] == [(done.stream, 1)]
        assert max(map(len, handler.batches)) == 8
        assert handler.most > 1
        found: dict[str, list[int]] = {}
        for batch in handler.batches[:-1]:
            for name, amount in batch:
                found.setdefault(name, []).append(amount)
        assert found == {f"account-{stream}": list(range(1, 21)) for stream in range(20)}

    run(tmp_path, scenario, handler)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=25),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_whatever_fails_every_event_is_handled_or_parked_once_and_keys_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, bool]], concurrency: int, size: int
) -> None:
    class Hazard(Batches, name="hazard"):
        batch_timeout = 0.01

    Hazard.concurrency, Hazard.batch_size = concurrency, size
    handler = Hazard()
    handler.broken = {number for number, (_, broken) in enumerate(events) if broken}

    async def scenario(application: Application) -> None:
        for number, (stream, _) in enumerate(events):
            await application.store.append(f"account-{stream}", [Deposited(number)])
        await application.wait_for(Hazard, await application.store.head())
        letters = await application.dead_letters(Hazard).list()
        parked = [(await application.dead_letters(Hazard).events(letter.position))[0].event for letter in letters]
        assert sorted(event.amount for event in parked if isinstance(event, Deposited)) == sorted(handler.broken)
        good = [batch for batch in handler.batches if not handler.broken.intersection(batch)]
        handled = [number for batch in good for number in batch]
        assert sorted(handled) == sorted(set(range(len(events))) - handler.broken)
        for stream in range(4):
            of_key = [number for number in handled if events[number][0] == stream]
            assert of_key == sorted(of_key)

    run(tmp_path_factory.mktemp("hazard"), scenario, handler)


def test_the_end_of_the_application_finishes_what_is_under_way_and_acknowledges_it(tmp_path: Path) -> None:
    class Finishing(EventHandler, name="finishing"):
        concurrency = 3

        def __init__(self) -> None:
            self.all_begun = asyncio.Event()
            self.begun = 0
            self.ended: list[str] = []

        @handle
        async def deposited(self, event: Deposited, recorded: Recorded) -> None:
            if event.amount == 7:
                self.begun += 1
                if self.begun == 3:
                    self.all_begun.set()
                await self.all_begun.wait()
                for _ in range(100):
                    await asyncio.sleep(0)
                await self.application.dispatch(Deposit(f"of {recorded.stream}", 1))
            self.ended.append(recorded.stream)

    first, second = Finishing(), Finishing()

    async def leave(application: Application) -> None:
        for account in "abc":
            await deposit(application, account, 7)
        await first.all_begun.wait()

    async def look(application: Application) -> None:
        await application.wait_for(Finishing, 6)

    run(tmp_path, leave, first)
    run(tmp_path, look, second)
    assert sorted(first.ended) == ["account-a", "account-b", "account-c"]
    assert sorted(second.ended) == [f"account-of account-{key}" for key in "abc"]


def test_the_end_does_not_wait_for_what_has_not_begun(tmp_path: Path) -> None:
    class Queued(EventHandler, name="queued"):
        shutdown = 1_000.0

        def __init__(self) -> None:
            self.gate, self.begun = asyncio.Event(), asyncio.Event()
            self.done: list[int] = []

        @handle
        async def deposited(self, event: Deposited) -> None:
            self.begun.set()
            await self.gate.wait()
            self.done.append(event.amount)

    queued, later = Queued(), Queued()
    later.gate.set()

    async def leave(application: Application) -> None:
        await deposit(application, "a", 1, 2, 3)
        await queued.begun.wait()
        asyncio.get_running_loop().call_later(0.05, queued.gate.set)

    async def look(application: Application) -> None:
        await application.wait_for(Queued, 3)

    run(tmp_path, leave, queued)
    run(tmp_path, look, later)
    assert (queued.done, later.done) == ([1], [2, 3])


def test_the_end_does_not_wait_for_retries(tmp_path: Path) -> None:
    class Patient(Notes, name="patient"):
        shutdown = 1_000.0
        retry = Retry(3, Backoff(500.0, 500.0))

    patient = Patient()
    patient.broken = {1}

    async def main() -> None:
        async with asyncio.timeout(20), bank(tmp_path, patient) as application:
            await deposit(application, "a", 1)
            while (await application.handler_statuses())[0].waiting == 0:
                await asyncio.sleep(0)

    asyncio.run(main())
    assert patient.seen == []


def test_the_end_waits_no_longer_than_the_handler_may_take_nor_for_retries(tmp_path: Path) -> None:
    class Stuck(EventHandler, name="stuck"):
        shutdown = 0.05

        @handle
        async def deposited(self, event: Deposited) -> None:
            self.reached.set()
            await asyncio.get_running_loop().create_future()

        def init(self) -> None:
            self.reached = reached

    reached = asyncio.Event()

    async def main() -> None:
        async with asyncio.timeout(20):
            async with bank(tmp_path, Stuck) as application:
                await deposit(application, "a", 1)
                await reached.wait()
            async with bank(tmp_path) as application:
                info = await application.store.subscription_info("handler stuck")
                assert info is not None
                assert (info.checkpoint, info.owner) == (0, None)

    asyncio.run(main())


def test_only_what_may_wait_is_handed_over_one_by_one(tmp_path: Path) -> None:
    class Plain(EventHandler, name="plain"):
        concurrency = 4

        def __init__(self) -> None:
            self.seen: list[int] = []

        @handle
        def note(self, event: Deposited) -> None:
            self.seen.append(event.amount)

    class Unclear(EventHandler, name="unclear"):
        concurrency = 4

        @handle
        def send(self, event: Deposited) -> Awaitable[None]:
            return asyncio.sleep(0)

    class Patient(Plain, name="patient"):
        async def on_error(self, failure: HandlerFailure) -> None:
            pass

    assert [kind.may_wait() for kind in (Plain, Unclear, Patient, Gated)] == [False, True, True, True]
    plain = Plain()

    async def scenario(application: Application) -> None:
        for number in range(1, 31):
            position = await application.dispatch(Deposit(f"{number % 7}", number), returning="position")
        await application.wait_for(Plain, position)
        assert plain.seen == list(range(1, 31))

    run(tmp_path, scenario, plain)
