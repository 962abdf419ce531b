"""The values that go into the log and come out of it. All of them are immutable."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from headwater.clock import instant
from headwater.errors import CodecError
from headwater.types import Position, Version


class Expected(enum.Enum):
    """What an append expects of its stream, when it names no exact version."""

    ANY = "any version"
    """Whatever the version is."""
    NO_STREAM = "no stream"
    """The stream has no event, or none that can be read: it was deleted. The same as version 0."""
    EXISTS = "an existing stream"
    """The stream has at least one event that can be read."""


ExpectedVersion = int | Expected


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into the log, encoded.

    Attributes:
        type: the type name.
        schema: the schema version of the type.
        data: JSON, in UTF-8.
        id: the event's identifier as its 16 bytes.
        tags: what it can be found by, in no order, none of them twice.
    """

    type: str
    schema: int
    data: bytes
    id: bytes
    tags: tuple[str, ...] = ()


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

    An event that was linked into another stream, and is read there, has that stream's name and its version in it;
    everything else is as it was appended.

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
        tags: what it can be found by, in alphabetical order.
        remaining: how many events of the same append lie behind it; 0 for the last one.
        linked_from: the stream that it was appended to, and its version there; None unless it was read by a link.
        erased: the personal fields whose values are gone for ever, because their subject was forgotten.
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
    tags: tuple[str, ...] = ()
    remaining: int = 0
    linked_from: tuple[str, int] | None = None
    erased: tuple[str, ...] = ()

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


class Part(msgspec.Struct, frozen=True, gc=False):
    """Which of the events it is that upcasters have made of a stored one.

    Attributes:
        type: the type name that it has now.
        schema: the schema version that it has now.
        index: 0 for the first one that was made of the stored event.
        count: how many were made of it.
    """

    type: str
    schema: int
    index: int
    count: int

    @property
    def last(self) -> bool:
        """Whether no other part comes behind it."""
        return self.index == self.count - 1


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event of the log, decoded, together with all that the log knows about it.

    All parts that upcasters have made of one stored event have its position, its version, its identifier and its tags;
    they differ in `part`.

    Attributes:
        event: the decoded event.
        stored: the event as it lies in the log.
        part: what upcasters have made of it; None for an event that is read as it was stored.
    """

    event: object
    stored: StoredEvent
    part: Part | None = None

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
        """The type name; what it is called now, if it is called otherwise in the log."""
        return self.stored.type if self.part is None else self.part.type

    @property
    def index(self) -> int:
        """Which of the events it is that upcasters have made of the stored one; 0 for the first or only one."""
        return 0 if self.part is None else self.part.index

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

    @property
    def tags(self) -> tuple[str, ...]:
        """What it can be found by, in alphabetical order."""
        return self.stored.tags

    @property
    def erased(self) -> tuple[str, ...]:
        """The personal fields that are None because their subject was forgotten."""
        return self.stored.erased


class Undecoded(msgspec.Struct, frozen=True):
    """Stands in for an event that could not be decoded, when the reader has asked for that.

    Attributes:
        error: why not; names the position.
    """

    error: CodecError


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where the events of an append came to lie.

    Attributes:
        stream: the stream's name; of an append to several streams, the last one's.
        version: the version of the last event.
        position: the position of the last event. The events of one append lie next to each other.
        count: how many events there were, in all streams.
        parts: of an append to several streams, what came to lie in each of them, in the order in which they were
            given. Empty for an append to one.
    """

    stream: str
    version: Version
    position: Position
    count: int
    parts: tuple[Appended, ...] = ()

    @classmethod
    def together(cls, parts: Sequence[Appended]) -> Appended:
        """The result of one append, from what came to lie in each stream."""
        last = parts[-1]
        if len(parts) == 1:
            return last
        return cls(last.stream, last.version, last.position, sum([part.count for part in parts]), tuple(parts))

    @property
    def first_position(self) -> Position:
        """The position of the first event."""
        return Position(self.position - self.count + 1)

    def version_of(self, stream: str) -> Version:
        """The version of the last event that was appended to this stream.

        Raises:
            KeyError: nothing was.
        """
        for part in self.parts or (self,):
            if part.stream == stream:
                return part.version
        raise KeyError(stream)
