"""What becomes of an event whose handler raised. Pure."""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec

from headwater.errors import DefinitionError
from headwater.store.model import Recorded


class RetryAfter(msgspec.Struct, frozen=True):
    """Try it again in so many seconds, however often it was tried. Events of its key wait behind it.

    Attributes:
        seconds: 0 or more.

    Raises:
        DefinitionError: it is less, or no number.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise DefinitionError(f"an event is tried again in a number of seconds from 0, not {self.seconds!r}")


class Skip(msgspec.Struct, frozen=True):
    """Take it for handled, and go on."""


class Park(msgspec.Struct, frozen=True):
    """Put it among the dead letters at once, and go on."""


class Stop(msgspec.Struct, frozen=True):
    """Stop the handler, with the event not handled. It comes again when the handler is resumed."""


Verdict: TypeAlias = RetryAfter | Skip | Park | Stop
"""What `EventHandler.on_error` may decide."""


class HandlerFailure(msgspec.Struct, frozen=True):
    """A handler raised.

    Attributes:
        error: what it raised.
        events: what it was given: one event, or a batch.
        attempt: how often the first of them was tried, this time included.
        context: for `on_error` to remember what it wants until the next failure of the same event. Not durable.
    """

    error: Exception
    events: tuple[Recorded, ...]
    attempt: int
    context: dict[str, object]

    @property
    def recorded(self) -> Recorded:
        """The event, or the first one of the batch."""
        return self.events[0]
