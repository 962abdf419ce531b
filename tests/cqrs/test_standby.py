"""A process manager that another application runs: this one stands by, answers, and ends at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from headwater.testing import VirtualClock
from tests.postgres_server import SHARED, wipe, with_options

from .transferring import quick_bank


@pytest.mark.row("CM-33")
def test_who_stands_by_answers_and_ends_without_waiting(postgres: str) -> None:
    """Its clock stands still: nothing that it waits for will ever be over."""

    async def main() -> None:
        await wipe(postgres, SHARED)
        running = quick_bank(with_options(postgres, schema=SHARED))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running)
            while await running.store.subscription_info("process manager bank.transfer") is None:
                await asyncio.sleep(0)
            await stack.enter_async_context(asyncio.timeout(30))
            async with running.on(running.url, clock=VirtualClock()) as standing_by:
                (status,) = await standing_by.process_managers()
                assert (status.live, status.failure) == (0, None)

    asyncio.run(main())
