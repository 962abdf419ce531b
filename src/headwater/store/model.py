"""The values that go into the log and come out of it. All of them are immutable."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from headwater.clock import instant
from headwater.types import Position, Version


class Expected(enum.Enum):
    """What an append expects of its stream, when it names no exact version."""

    ANY = "any version"
    """Whatever the version is."""
    NO_STREAM = "no stream"
    """The stream has no event yet. The same as version 0."""
    EXISTS = "an existing stream"
    """The stream has at least one event."""


ExpectedVersion = int | Expected


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into the log, encoded.

    Attributes:
        type: the type name.
        schema: the schema version of the type.
        data: JSON.
        id: the event's identifier as its 16 bytes.
    """

    type: str
    schema: int
    data: bytes
    id: bytes


class Context(msgspec.Struct, frozen=True, gc=False):
    """Where the events of an append come from; stored beside each of them.

    Attributes:
        causation: the 16 bytes of the identifier of the command or event that caused them.
        correlation: the 16 bytes of the identifier shared by everything that one outside cause led to.
        metadata: a JSON object with whatever else the application wants to keep, or None.
    """

    causation: bytes | None = None
    correlation: bytes | None = None
    metadata: bytes | None = None


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it lies in the log, not decoded.

    Attributes:
        position: 1, 2, 3 … in commit order over the whole log.
        stream: the stream's name.
        version: 1, 2, 3 … within the stream.
        type: the type name.
        schema: the schema version of the type.
        data: JSON text.
        id_bytes: the event's identifier.
        microseconds: when it was recorded, in microseconds since 1970-01-01 UTC; never lower than that of the
            event before it.
        causation_bytes: see `Context`.
        correlation_bytes: see `Context`.
        metadata_json: see `Context`.
    """

    position: int
    stream: str
    version: int
    type: str
    schema: int
    data: str
    id_bytes: bytes
    microseconds: int
    causation_bytes: bytes | None
    correlation_bytes: bytes | None
    metadata_json: str | None

    @property
    def id(self) -> UUID:
        """The event's identifier."""
        return UUID(bytes=self.id_bytes)

    @property
    def recorded_at(self) -> datetime:
        """When the event was recorded."""
        return instant(self.microseconds)

    @property
    def causation(self) -> UUID | None:
        """The identifier of the command or event that caused it."""
        return None if self.causation_bytes is None else UUID(bytes=self.causation_bytes)

    @property
    def correlation(self) -> UUID | None:
        """The identifier shared by everything that one outside cause led to."""
        return None if self.correlation_bytes is None else UUID(bytes=self.correlation_bytes)

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the application stored beside the event; empty when it stored nothing."""
        if self.metadata_json is None:
            return {}
        return msgspec.json.decode(self.metadata_json, type=dict[str, object])


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event of the log, decoded, together with all that the log knows about it.

    Attributes:
        event: the decoded event.
        stored: the event as it lies in the log.
    """

    event: object
    stored: StoredEvent

    @property
    def position(self) -> Position:
        """1, 2, 3 … in commit order over the whole log."""
        return Position(self.stored.position)

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.stored.stream

    @property
    def version(self) -> Version:
        """1, 2, 3 … within the stream."""
        return Version(self.stored.version)

    @property
    def type(self) -> str:
        """The type name."""
        return self.stored.type

    @property
    def id(self) -> UUID:
        """The event's identifier."""
        return self.stored.id

    @property
    def recorded_at(self) -> datetime:
        """When the event was recorded."""
        return self.stored.recorded_at

    @property
    def causation(self) -> UUID | None:
        """The identifier of the command or event that caused it."""
        return self.stored.causation

    @property
    def correlation(self) -> UUID | None:
        """The identifier shared by everything that one outside cause led to."""
        return self.stored.correlation

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the application stored beside the event; empty when it stored nothing."""
        return self.stored.metadata


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where the events of an append came to lie.

    Attributes:
        stream: the stream's name.
        version: the version of the last event.
        position: the position of the last event. The events of one append lie next to each other.
        count: how many events there were.
    """

    stream: str
    version: Version
    position: Position
    count: int

    @property
    def first_position(self) -> Position:
        """The position of the first event."""
        return Position(self.position - self.count + 1)


class StreamInfo(msgspec.Struct, frozen=True, gc=False):
    """What is known about a stream without reading it.

    Attributes:
        name: the stream's name.
        version: the version of its last event, which is also how many events it has.
        first_position: where its first event lies.
        last_position: where its last event lies.
    """

    name: str
    version: Version
    first_position: Position
    last_position: Position
