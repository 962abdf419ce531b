"""A command that an instance of a process manager wants dispatched, as it lies in the log. Pure."""

from __future__ import annotations

from uuid import UUID

import msgspec

from headwater.cqrs.command_codec import StoredCommand


class Outgoing(msgspec.Struct, frozen=True):
    """A command that is to be dispatched.

    Attributes:
        id: the command's identifier.
        command: the command.
        because: the event that led to it.
        correlation: shared by everything that one outside cause led to.
    """

    id: UUID
    command: StoredCommand
    because: UUID
    correlation: UUID
