"""Time and chance, as they are passed in. Nothing in Headwater reads a global clock or a global random source.

`headwater.testing.clock.VirtualClock` is the other implementation: time that stands still until a test moves it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A callback that waits for its time."""

    def cancel(self) -> None:
        """The callback will not run. Harmless when it ran already."""


class Clock(Protocol):
    """What the time is, and calls when it has come."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back. For deadlines and durations."""

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC. May be set back by the operating system."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` on the event loop `delay` seconds from now. Needs a running event loop."""


class Rng(Protocol):
    """Where chance comes from. `random.Random(seed)` is one."""

    def random(self) -> float:
        """A number from 0 (included) to 1 (excluded), all equally likely."""


class SystemClock:
    """The operating system's clock and the running event loop's timers."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def wall(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` on the running event loop `delay` seconds from now."""
        return asyncio.get_running_loop().call_later(delay, callback)


def instant(microseconds: int) -> datetime:
    """The moment that lies so many microseconds after 1970-01-01 UTC."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction)


def microseconds(moment: datetime) -> int:
    """Microseconds from 1970-01-01 UTC to `moment`.

    Raises:
        ValueError: the moment has no time zone, so that nobody can say when it was.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give it one, e.g. tzinfo=datetime.UTC")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
