"""The answer to a command."""

from __future__ import annotations

import msgspec

from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.messages import Event
from headwater.types import Position, Version


class Committed(msgspec.Struct, frozen=True, gc=False):
    """The answer to a command: its events are durable.

    Attributes:
        stream: the aggregate's stream.
        version: the stream's version after the command.
        position: the position of its last event, to be used with `wait_for`. Of the last event before it, if
            the command had nothing to do.
        events: the command's events; empty if it had nothing to do.
    """

    stream: str
    version: Version
    position: Position
    events: tuple[Event, ...]


class CommittedState(Committed, frozen=True, gc=True):
    """The answer to a command whose caller wants to see the aggregate.

    Attributes:
        state: the aggregate as the command left it; a copy.
    """

    state: Aggregate
