"""Whatever goes wrong on the way in or out: nothing of the application stays open."""

import asyncio
from pathlib import Path

import pytest

from headwater import EventHandler, handle
from headwater.cqrs.handler_process import HandlerProcess
from headwater.errors import ApplicationError, StartFailed
from headwater.runtime.introspect import resume, suspend
from tests.bank import Deposit, Deposited

from .driving import Notes, bank, deposit


class Sized(Notes, name="sized"):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.max_unacknowledged = size


class Hanging(EventHandler, name="hanging"):
    shutdown = 0.2

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    @handle
    async def deposited(self, event: Deposited) -> None:
        self.reached.set()
        await asyncio.get_running_loop().create_future()


async def turns() -> None:
    """Let the event loop go round some times."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_start_that_fails_says_why_and_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        sized = Sized(0)
        application = bank(tmp_path, sized)
        with pytest.raises(StartFailed) as caught:
            await application.__aenter__()
        assert "max_unacknowledged" in str(caught.value)
        with pytest.raises(ApplicationError, match="not running"):
            await application.dispatch(Deposit("a", 1))
        sized.max_unacknowledged = 10
        async with application:
            await application.wait_for(Sized, await deposit(application, "a", 1))

    asyncio.run(main())


def test_leaving_that_is_cancelled_closes_everything_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        hanging = Hanging()
        application = bank(tmp_path, hanging)
        await application.__aenter__()
        await deposit(application, "a", 1)
        await hanging.reached.wait()
        leaving = asyncio.create_task(application.__aexit__(None, None, None))
        await turns()  # it waits for the handler now, which takes its time
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        with pytest.raises(ApplicationError, match="not running"):
            await application.dispatch(Deposit("a", 1))
        async with bank(tmp_path) as again:  # nobody holds the store's lock
            await deposit(again, "a", 2)

    asyncio.run(main())


class Gated(Notes, name="gated"):
    """Its `init` takes as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.closed = 0

    async def init(self) -> None:
        self.begun.set()
        await self.gate.wait()

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("again", [False, True])
def test_a_handler_that_is_paused_while_it_starts_stays_paused_until_it_is_resumed(
    tmp_path: Path, *, again: bool
) -> None:
    async def main() -> None:
        gated = Gated()
        async with bank(tmp_path, gated) as application:
            await gated.begun.wait()
            process = application.system.named(HandlerProcess, "handler gated")
            await suspend(process)  # so that it hears first of the pause, then that `init` has returned
            pausing = asyncio.create_task(application.pause_handler(Gated))
            await turns()
            gated.gate.set()
            await turns()
            await resume(process)
            await pausing
            await turns()
            assert [status.state for status in await application.handler_statuses()] == ["paused"]
            assert gated.closed == 1
            if again:
                await application.resume_handler(Gated)
                await application.wait_for(Gated, await deposit(application, "a", 1))
                assert gated.seen == [("account-a", 1)]
        assert gated.closed == 1 + again

    asyncio.run(main())


def test_a_handler_whose_options_make_no_sense_says_so_and_lives_on(tmp_path: Path) -> None:
    async def main() -> None:
        handler = Sized(10)
        handler.concurrency = 0
        async with bank(tmp_path, handler) as application:
            async with asyncio.timeout(10):
                while (status := (await application.handler_statuses())[0]).state != "backing off":
                    await asyncio.sleep(0)
            assert status.failure is not None
            assert "concurrency" in status.failure
            handler.concurrency = 1
            await application.pause_handler(Sized)
            await application.resume_handler(Sized)
            await application.wait_for(Sized, await deposit(application, "a", 1))

    asyncio.run(main())
