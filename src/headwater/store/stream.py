"""What is known of streams without reading them, and what is kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.types import Position, Version


class StreamInfo(msgspec.Struct, frozen=True, gc=False):
    """What is known about a stream without reading it.

    Attributes:
        name: the stream's name.
        version: the version of its last event, which is also how many events it has ever had, links included.
        first_position: where its first event lies.
        last_position: where its last event lies.
        first_version: the lowest version that can still be read; higher than 1 once it was truncated or deleted.
        tombstoned: nothing can be appended any more, ever.
    """

    name: str
    version: Version
    first_position: Position
    last_position: Position
    first_version: Version = Version(1)
    tombstoned: bool = False

    @property
    def deleted(self) -> bool:
        """Whether none of its events can be read: it looks like a stream that doesn't exist."""
        return self.first_version > self.version


class StreamSearch(msgspec.Struct, frozen=True):
    """Which streams are asked for.

    Attributes:
        prefix: their names begin so.
        after: their names come after this one, by their UTF-8 bytes.
        deleted: those that are deleted too.
    """

    prefix: str = ""
    after: str = ""
    deleted: bool = False


class Linked(msgspec.Struct, frozen=True, gc=False):
    """Where linked events came to lie.

    Attributes:
        stream: the stream that they were linked into.
        version: the version of the last one in it.
        count: how many there were.
    """

    stream: str
    version: Version
    count: int


class Snapshot(msgspec.Struct, frozen=True):
    """The state of an aggregate at a version: a shortcut, that may be lost or thrown away at any time.

    Attributes:
        stream: the aggregate's stream.
        key: says which code the state belongs to, such as a class and a hash of its fields: a snapshot that other
            code has made is never found.
        version: the version of the last event that the state includes.
        data: the state, encoded by whoever saves it.
    """

    stream: str
    key: str
    version: int
    data: bytes


def repeated(positions: Sequence[int]) -> int | None:
    """The first position that is named a second time."""
    seen: set[int] = set()
    for position in positions:
        if position in seen:
            return position
        seen.add(position)
    return None
