"""Whatever goes wrong on the way in or out: nothing of the application stays open."""

import asyncio
from pathlib import Path

import pytest

from headwater import EventHandler, handle
from headwater.errors import ApplicationError, StartFailed
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
        for _ in range(10):  # it waits for the handler now, which takes its time
            await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        with pytest.raises(ApplicationError, match="not running"):
            await application.dispatch(Deposit("a", 1))
        async with bank(tmp_path) as again:  # nobody holds the store's lock
            await deposit(again, "a", 2)

    asyncio.run(main())
