"""Waiting by a clock that is passed in."""

from __future__ import annotations

import asyncio
from functools import partial

from headwater.clock import Clock


async def pause(clock: Clock, seconds: float) -> None:
    """Wait for so many seconds. Harmless to cancel."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, partial(_end, over))
    try:
        await over
    finally:
        timer.cancel()


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
