"""The spans of those who decide commands; the one of a whole command is `headwater.cqrs.dispatch.DISPATCH`."""

from __future__ import annotations

from typing import Final

from headwater.telemetry import SpanName

EXECUTE: Final = SpanName("headwater", "aggregate", "execute")
"""A command is decided, by an aggregate or a decision model; an `exception` if it is rejected or fails. A command that
is decided again has another one. Metadata: stream (of a model its category), command; at the end also events."""

POPULATE: Final = SpanName("headwater", "aggregate", "populate")
"""An aggregate, or a decision model, is read from the log. Metadata: stream (of a model its category); at the end also
version and snapshot, of a model position."""
