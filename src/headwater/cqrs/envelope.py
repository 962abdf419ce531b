"""A command and what is known about it, on its way to whoever decides it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

from headwater.cqrs.committed import Committed
from headwater.errors import HeadwaterError
from headwater.sourcing.messages import Command
from headwater.store.model import Recorded

BECAUSE = "because"
"""The key of the metadata under which the identifier of the event that led to a command is stored."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A command, and what is known about it.

    Attributes:
        command: the command.
        metadata: stored beside each of its events; must be encodable as JSON.
        id: identifies the command; made up if not given. Its events carry it as their causation. A command may be sent
            again with the same id: see `Application.dispatch`.
        correlation: shared by everything that one outside cause led to; the one of `because` if not given, or else the
            command's id.
        because: the event that led to this command. Its identifier is stored with the metadata, as `because`.
    """

    command: Command
    metadata: Mapping[str, object] | None = None
    id: UUID | None = None
    correlation: UUID | None = None
    because: Recorded | None = None

    def with_metadata(self, **more: object) -> Envelope:
        """The same with further metadata, for middleware. What is given here wins."""
        return msgspec.structs.replace(self, metadata={**(self.metadata or {}), **more})


class Outcome(msgspec.Struct, frozen=True):
    """How a command of `dispatch_all` ended.

    Attributes:
        envelope: the command.
        result: `Committed`, or the error that `dispatch` would have raised.
    """

    envelope: Envelope
    result: Committed | HeadwaterError
