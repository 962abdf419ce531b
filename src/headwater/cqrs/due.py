"""When timers are due. Pure."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 1_000 * 366 * 86_400
"""Seconds that a timer may run: about a thousand years, so that the moment at which it ends has a date."""


def microseconds_of(after: float, what: str) -> int:
    """How long a timer runs, in microseconds.

    Args:
        after: the same in seconds.
        what: whose timer it is, for the message.

    Raises:
        ValueError: it is negative, no number, or longer than a thousand years.
    """
    if not 0 <= after <= LONGEST:
        raise ValueError(f"{what} after a number of seconds from 0 to {LONGEST:,}, not {after!r}")
    return round(after * 1_000_000)
