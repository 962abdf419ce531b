"""The numbers of a subscription, and what it may be doing. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Phase = Literal["catching up", "live", "full", "idle", "closed", "lost"]
"""`catching up`: reads what the log holds. `live`: has read it all, and waits for more. `full`: waits for consumers to
acknowledge. `idle`: has no consumer. `closed`, `lost`: ended, in good order or because somebody else owns it."""

WINDOW: Final = 10_000
"""How many events may lie between the oldest unacknowledged one and the last one read."""


class Limits(msgspec.Struct, frozen=True):
    """The machine's numbers, all at least 1.

    Attributes:
        unacknowledged: how many events a consumer may have without having acknowledged them.
        checkpoint_every: a checkpoint is written after so many acknowledgements.
        page: how many events are read at a time. At most twice as many wait to be delivered.
        window: see `WINDOW`.
    """

    unacknowledged: int = 100
    checkpoint_every: int = 100
    page: int = 1_000
    window: int = WINDOW
