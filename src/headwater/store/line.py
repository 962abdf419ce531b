"""One line of an export: a CloudEvent in JSON. Pure.

An event of the log is a CloudEvent with extensions. `id`, `type`, `time` and `data` are the event's, `subject` is its
stream; `position`, `version`, `schema`, `remaining`, `causation` and `correlation` are what `StoredEvent` says, `hash`
is the event's in the hash chain; `tags` and `metadata` are strings that hold JSON, since extensions may hold no lists
or objects. `datatext` is there when `data` isn't the stored text itself (which has line breaks in it). Personal fields
are as encrypted as they are in the log.

What an export has besides events are CloudEvents too, with the extension `control`: links, marks of streams, keys of
subjects, and the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from headwater.clock import instant, microseconds
from headwater.store.chain import ChainLink, tags_text
from headwater.store.model import StoredEvent

SOURCE: Final = "headwater"
_JSON: Final = "application/json"


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A CloudEvent, with the extensions of an export."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: datetime | None = None
    subject: str | None = None
    control: bool = False
    position: int = 0
    version: int = 0
    schema: int = 0
    remaining: int = 0
    causation: UUID | None = None
    correlation: UUID | None = None
    tags: str | None = None
    metadata: str | None = None
    hash: str = ""
    datacontenttype: str = ""
    datatext: str | None = None
    data: msgspec.Raw


class Links(msgspec.Struct, frozen=True):
    """Events that are in another stream too; they come after the events themselves.

    Attributes:
        stream: the stream that they were linked into.
        version: the first one's version in it.
        positions: where they lie.
    """

    stream: str
    version: int
    positions: list[int]


class Mark(msgspec.Struct, frozen=True):
    """What may be read of a stream, when it isn't all.

    Attributes:
        stream: its name.
        first: the lowest version that can be read.
        tombstoned: closed for ever.
    """

    stream: str
    first: int
    tombstoned: bool


class Key(msgspec.Struct, frozen=True):
    """A subject's key as it is kept, or that the subject was forgotten."""

    subject: str
    wrapped: bytes | None
    master: str


class End(msgspec.Struct, frozen=True):
    """The last line.

    Attributes:
        position: of the last event; 0 for an empty log.
        hash: its hash, in hexadecimal digits.
    """

    position: int
    hash: str


Control = Links | Mark | Key | End

_TYPES: Final[dict[str, type[Control]]] = {
    "headwater.links": Links,
    "headwater.mark": Mark,
    "headwater.key": Key,
    "headwater.end": End,
}
_NAMES: Final = {kind: name for name, kind in _TYPES.items()}
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Line)


def event_line(event: StoredEvent, hash: bytes, source: str) -> bytes:  # noqa: A002 - the field's term
    """An event's line, with the line break."""
    exact = event.data == event.data.strip() and "\n" not in event.data and "\r" not in event.data
    data = event.data.encode() if exact else msgspec.json.format(event.data.encode(), indent=-1)
    line = Line(
        specversion="1.0",
        id=str(event.id),
        source=source,
        type=event.type,
        time=instant(event.microseconds),
        subject=event.stream,
        position=event.position,
        version=event.version,
        schema=event.schema,
        remaining=event.remaining,
        causation=event.causation,
        correlation=event.correlation,
        tags=tags_text(event.tags),
        metadata=event.metadata_json,
        hash=hash.hex(),
        datacontenttype=_JSON,
        datatext=None if exact else event.data,
        data=msgspec.Raw(data),
    )
    return _encoder.encode(line) + b"\n"


def control_line(control: Control, number: int, source: str) -> bytes:
    """The line of something else than an event, with the line break; `number` tells it from others."""
    line = Line(
        specversion="1.0",
        id=f"{_NAMES[type(control)]}-{number}",
        source=source,
        type=_NAMES[type(control)],
        control=True,
        datacontenttype=_JSON,
        data=msgspec.Raw(_encoder.encode(control)),
    )
    return _encoder.encode(line) + b"\n"


def parse(text: bytes) -> ChainLink | Control:
    """What a line says.

    Raises:
        ValueError: it is no such line; the message says what is wrong.
    """
    line = _decoder.decode(text)
    return _control(line) if line.control else _event(line)


def _control(line: Line) -> Control:
    kind = _TYPES.get(line.type)
    if kind is None:
        raise ValueError(f"nothing is known of {line.type!r}; a newer Headwater may have written it")
    return msgspec.json.decode(line.data, type=kind)


def _event(line: Line) -> ChainLink:
    if line.time is None or line.subject is None or line.time.tzinfo is None:
        raise ValueError("an event has a time with a time zone, and a subject: its stream")
    if min(line.position, line.version, line.schema) < 1 or line.remaining < 0:
        raise ValueError("position, version and schema are 1 or higher, remaining is 0 or higher")
    if line.metadata is not None:
        msgspec.json.decode(line.metadata, type=dict[str, msgspec.Raw])
    if line.datatext is not None:
        msgspec.json.decode(line.datatext)
    event = StoredEvent(
        position=line.position,
        stream=line.subject,
        version=line.version,
        type=line.type,
        schema=line.schema,
        data=bytes(line.data).decode() if line.datatext is None else line.datatext,
        id_bytes=UUID(line.id).bytes,
        microseconds=microseconds(line.time),
        causation_bytes=None if line.causation is None else line.causation.bytes,
        correlation_bytes=None if line.correlation is None else line.correlation.bytes,
        metadata_json=line.metadata,
        tags=() if line.tags is None else msgspec.json.decode(line.tags, type=tuple[str, ...]),
        remaining=line.remaining,
    )
    return ChainLink(event, bytes.fromhex(line.hash))
