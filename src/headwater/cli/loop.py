"""The event loop that commands run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run_fast(work: Callable[[], Coroutine[object, object, Result]]) -> Result:
    """Run an async function on uvloop where it is installed, else on the standard loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work())  # made only now: Ctrl-C while the loop is made would leave it unawaited


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
