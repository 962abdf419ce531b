"""The watchdog: a method that holds the event loop is reported while it holds it."""

import asyncio
import logging
import threading
import time

import pytest

from headwater import GenServer, System
from headwater.errors import DefinitionError
from headwater.runtime.watchdog import Stall, Watchdog


class Busy(GenServer):
    def block(self, until: threading.Event, *, note: str = "") -> bool:
        return until.wait(10.0)

    async def block_in_async(self, until: threading.Event) -> bool:
        await asyncio.sleep(0)
        return until.wait(10.0)

    async def block_through(self, other: "System", until: threading.Event) -> bool:
        return await other.named(Busy, "other").call(Busy.block, until)

    async def yield_often(self, seconds: float) -> int:
        turns = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.work(0.05)
            await asyncio.sleep(0)
            turns += 1
        return turns

    def work(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    def tick(self) -> None:
        pass


class Kennel:
    """A watchdog in a running system, and what it reported."""

    def __init__(self, limit: float = 0.05) -> None:
        self.stalls: list[Stall] = []
        self.barked = threading.Event()
        self.watchdog = Watchdog(limit, self.bark)

    def bark(self, stall: Stall) -> None:
        self.stalls.append(stall)
        self.barked.set()

    def __enter__(self) -> "Kennel":
        self.watchdog.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watchdog.stop()


@pytest.mark.row("BR-04")
@pytest.mark.parametrize("way", ["call", "cast", "async"])
def test_a_stall_is_reported_with_process_message_and_stack_while_it_lasts(way: str) -> None:
    async def main() -> None:
        async with System() as system:
            busy = await system.start(Busy, name="busy")
            with Kennel() as kennel:
                # Each of these returns True only if the report came meanwhile.
                if way == "call":
                    assert await busy.within(None).call(Busy.block, kennel.barked, note="here")
                elif way == "cast":
                    busy.cast(Busy.block, kennel.barked, note="here")
                    await busy.within(None).call(Busy.tick)
                else:
                    assert await busy.within(None).call(Busy.block_in_async, kennel.barked)
                assert kennel.barked.is_set()
            (stall,) = kennel.stalls
            assert stall.process == "Busy 'busy'"
            assert stall.message.startswith("block_in_async(" if way == "async" else "block(")
            assert ("note='here'" in stall.message) == (way != "async")
            assert 0.05 <= stall.seconds < 10.0
            assert "until.wait(10.0)" in stall.stack

    asyncio.run(main())


@pytest.mark.row("BR-04")
def test_the_process_that_was_called_is_named_not_its_caller() -> None:
    async def main() -> None:
        async with System() as system:
            await system.start(Busy, name="other")
            caller = await system.start(Busy, name="caller")
            with Kennel() as kennel:
                assert await caller.within(None).call(Busy.block_through, system, kennel.barked)
            assert [stall.process for stall in kennel.stalls] == ["Busy 'other'"]

    asyncio.run(main())


@pytest.mark.row("BR-04")
def test_code_that_is_no_process_is_reported_too() -> None:
    async def main() -> None:
        with Kennel() as kennel:
            await asyncio.sleep(0)
            assert kennel.barked.wait(10.0)
        (stall,) = kennel.stalls
        assert stall.process is None
        assert "kennel.barked.wait(10.0)" in stall.stack

    asyncio.run(main())


@pytest.mark.row("BR-04")
def test_many_short_turns_and_idle_loops_are_no_stall() -> None:
    async def main() -> None:
        async with System() as system:
            busy = await system.start(Busy)
            with Kennel(0.2) as kennel:
                assert await busy.call(Busy.yield_often, 0.8) > 5
                for _ in range(60):
                    busy.cast(Busy.work, 0.01)
                await busy.call(Busy.tick)  # they were handled in one turn
                for _ in range(20_000):
                    await busy.call(Busy.tick)
            assert kennel.stalls == []

    asyncio.run(main())


@pytest.mark.row("BR-04")
def test_a_system_has_one_if_asked_and_it_ends_with_the_system(caplog: pytest.LogCaptureFixture) -> None:
    logged = threading.Event()

    class Ear(GenServer):
        def block(self) -> bool:
            return logged.wait(10.0)

    async def main() -> None:
        async with System(watchdog=0.05) as system:
            assert await (await system.start(Ear, name="ear")).call(Ear.block)

    handler = _Handler(logged)
    logger = logging.getLogger("headwater.runtime.watchdog")
    logger.addHandler(handler)
    try:
        asyncio.run(main())
    finally:
        logger.removeHandler(handler)
    assert "Ear 'ear' has held the event loop for 0." in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name == "headwater-watchdog"]


class _Handler(logging.Handler):
    def __init__(self, logged: threading.Event) -> None:
        super().__init__()
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.set()


def test_a_limit_is_positive() -> None:
    async def main() -> None:
        with pytest.raises(DefinitionError):
            Watchdog(0.0)

    asyncio.run(main())
