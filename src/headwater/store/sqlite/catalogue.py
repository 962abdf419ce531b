"""What the writer knows of streams, types and tags without asking SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import apsw
import msgspec

_STREAMS: Final = """
SELECT json_group_array(json_array(
    streams.name, streams.id,
    max(coalesce((SELECT max(version) FROM events WHERE events.stream = streams.id), 0),
        coalesce((SELECT max(version) FROM links WHERE links.stream = streams.id), 0)),
    coalesce(marks.first, 1), coalesce(marks.tombstoned, 0)
)) FROM json_each(?) AS asked JOIN streams ON streams.name = asked.value
LEFT JOIN marks ON marks.stream = streams.id
"""
_TAGS: Final = """
SELECT json_group_object(tags.name, tags.id) FROM json_each(?) AS asked JOIN tags ON tags.name = asked.value
"""

_K = TypeVar("_K")
_V = TypeVar("_V")


class StreamState(msgspec.Struct, frozen=True, gc=False):
    """A stream as the last change left it.

    Attributes:
        id: its number in the file.
        version: the version of its last event.
        first: the lowest version that can be read.
        tombstoned: closed for ever.
    """

    id: int
    version: int
    first: int = 1
    tombstoned: bool = False


class TagSet(NamedTuple):
    """The tags of an event as they are stored.

    Attributes:
        text: as `chain.tags_text` has them.
        numbers: what they are called in the file.
        names: in alphabetical order.
    """

    text: str | None
    numbers: tuple[int, ...]
    names: tuple[str, ...] = ()


class Catalogue:
    """Committed facts only: what a transaction adds gets in here after its commit.

    Streams, tags and sets of tags are remembered up to a limit, those that changed or were learned first are forgotten
    first; types are few and all remembered. Belongs to the writer's thread.

    Args:
        connection: the writer's connection.
        limit: how many streams, and how many tags, to remember; and a quarter as many sets of tags.
    """

    __slots__ = ("_connection", "_limit", "_rows", "next_stream", "next_tag", "streams", "tag_sets", "tags", "types")

    def __init__(self, connection: apsw.Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._rows = msgspec.json.Decoder(list[tuple[str, int, int, int, bool]], strict=False)
        self.streams: dict[str, StreamState] = {}
        self.tags: dict[str, int] = {}
        self.tag_sets: dict[tuple[str, ...], TagSet] = {}
        self.types: dict[tuple[str, int], int] = {}
        self.next_stream = 1
        self.next_tag = 1
        self.reload()

    def reload(self) -> None:
        """Forget everything and read it anew.

        Raises:
            apsw.Error: SQLite refused.
        """
        self.streams.clear()
        self.tags.clear()
        self.tag_sets.clear()
        rows = self._connection.execute("SELECT name, schema, id FROM types").fetchall()
        self.types = {(str(name), _integer(schema)): _integer(number) for name, schema, number in rows}
        self.next_stream = self._highest("streams") + 1
        self.next_tag = self._highest("tags") + 1

    def look_up_streams(self, names: Iterable[str]) -> dict[str, StreamState]:
        """Those of the named streams that exist, by one query."""
        rows = self._rows.decode(self._ask(_STREAMS, names))
        return {name: StreamState(number, version, first, closed) for name, number, version, first, closed in rows}

    def look_up_tags(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of those of the tags that exist, by one query."""
        return msgspec.json.decode(self._ask(_TAGS, names), type=dict[str, int])

    def adopt(
        self,
        streams: Mapping[str, StreamState],
        types: Mapping[tuple[str, int], int],
        tags: Mapping[str, int],
        tag_sets: Mapping[tuple[str, ...], TagSet],
    ) -> None:
        """Remember what a transaction that is committed now has changed."""
        self.types.update(types)
        _remember(self.streams, streams, self._limit)
        _remember(self.tags, tags, self._limit)
        _remember(self.tag_sets, tag_sets, self._limit // 4)

    def _ask(self, query: str, names: Iterable[str]) -> str:
        [(found,)] = self._connection.execute(query, (msgspec.json.encode(list(names)).decode(),)).fetchall()
        return str(found)

    def _highest(self, table: str) -> int:
        query = f"SELECT coalesce(max(id), 0) FROM {table}"  # noqa: S608 - a constant
        [(highest,)] = self._connection.execute(query).fetchall()
        return _integer(highest)


def _remember(known: dict[_K, _V], changed: Mapping[_K, _V], limit: int) -> None:
    for name, value in changed.items():
        known.pop(name, None)  # so that it moves to the end, the last to be forgotten
        known[name] = value
    surplus = len(known) - limit
    if surplus > 0:
        for name in list(islice(known, surplus)):
            del known[name]


def _integer(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - tells the type checker what the table's STRICT says
    return value
