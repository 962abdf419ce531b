"""The form in which a page of events comes out of SQLite: one row, with a whole column of the events in each cell.

Numbers come as a JSON array. Texts come joined by a character that JSON cannot contain, identifiers one behind the
other, and both only where there are any: `present` tells where. That is the cheapest way to hand over many of them.
If the lengths don't add up, somebody else has written to the file; the page can then be had in the exact form, in which
each value is a JSON string of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Final, TypeVar

import apsw
import msgspec

from headwater.store.model import StoredEvent
from headwater.store.sqlite.names import Names

_NUMBERS: Final = """
    json_group_array(place), json_group_array(position), json_group_array(stream), json_group_array(version),
    json_group_array(type), json_group_array(recorded_at), json_group_array(remaining), json_group_array(present),
"""
_BETWEEN: Final = "\x1f"
_ID_BYTES: Final = 16


def _cells(text: str, identifier: str) -> str:
    texts = [text.format(name) for name in ("data", "metadata", "tags")]
    identifiers = [identifier.format(name) for name in ("id", "causation", "correlation")]
    return _NUMBERS + ", ".join(texts + identifiers)


COLUMNS: Final = """
    events.position AS position, events.stream AS stream, events.version AS version, events.type AS type,
    events.recorded_at AS recorded_at, events.remaining AS remaining, events.data AS data, events.metadata AS metadata,
    events.tags AS tags, events.id AS id, events.causation AS causation, events.correlation AS correlation,
    (events.metadata IS NOT NULL) + 2 * (events.tags IS NOT NULL) + 4 * (events.causation IS NOT NULL)
    + 8 * (events.correlation IS NOT NULL) AS present
"""
"""The columns, besides `place`, of the rows that the cells are made of."""

JOINED: Final = _cells("group_concat({0}, char(31))", "CAST(group_concat({0}, '') AS BLOB)")
"""The cells of a page."""

EXACT: Final = _cells(
    "json_group_array({0}) FILTER (WHERE {0} IS NOT NULL)", "json_group_array(hex({0})) FILTER (WHERE {0} IS NOT NULL)"
)
"""The same in the exact form."""

Cell = int | float | str | bytes | None

_texts: Final = msgspec.json.Decoder(list[str])
_tag_lists: Final = msgspec.json.Decoder(list[tuple[str, ...]])
_integers: Final = msgspec.json.Decoder(list[int])

_V = TypeVar("_V")


class Ambiguous(Exception):
    """The lengths of a page's columns don't add up."""


def unpacked(
    connection: apsw.Connection, names: Names, cells: Sequence[Cell], *, exact: bool
) -> tuple[list[StoredEvent], list[int]]:
    """The events of a page, and their places.

    Args:
        connection: where names are looked up.
        names: what is known of them.
        cells: as `JOINED` or `EXACT` gives them.
        exact: which of the two.

    Raises:
        Ambiguous: see the module's docstring.
        apsw.Error: SQLite refused.
    """
    numbers = [_integers.decode(str(cell)) for cell in cells[:8]]
    places, positions, streams, versions, types, times, remaining, present = numbers
    data, metadata, tags = [_exact_texts(cell) if exact else _split_texts(cell) for cell in cells[8:11]]
    ids, causes, correlations = [_exact_bytes(cell) if exact else _split_bytes(cell) for cell in cells[11:14]]
    if len(data) != len(places) or len(ids) != len(places):
        raise Ambiguous
    type_names, schemas = names.types(connection, types)
    events = map(
        StoredEvent,
        positions,
        names.streams(connection, streams),
        versions,
        type_names,
        schemas,
        data,
        ids,
        times,
        _spread(causes, present, 4),
        _spread(correlations, present, 8),
        _spread(metadata, present, 1),
        _spread(_decoded_tags(tags), present, 2, ()),
        remaining,
    )
    return list(events), places


def _spread(values: list[_V], present: list[int], bit: int, default: _V | None = None) -> Iterable[_V | None]:
    """The values of those events that have one, the default for the others."""
    kinds = {flags & bit for flags in set(present)}
    mixed = len(kinds) == 2
    expected = sum([bool(flags & bit) for flags in present]) if mixed else len(present) * (bit in kinds)
    if len(values) != expected:
        raise Ambiguous
    if not mixed:
        return values or repeat(default)
    given = iter(values)
    return [next(given) if flags & bit else default for flags in present]


def _split_texts(cell: Cell) -> list[str]:
    return [] if cell is None else str(cell).split(_BETWEEN)


def _exact_texts(cell: Cell) -> list[str]:
    return _texts.decode(str(cell))


def _split_bytes(cell: Cell) -> list[bytes]:
    if not isinstance(cell, bytes):
        return []
    if len(cell) % _ID_BYTES:
        raise Ambiguous
    return [cell[start : start + _ID_BYTES] for start in range(0, len(cell), _ID_BYTES)]


def _exact_bytes(cell: Cell) -> list[bytes]:
    return list(map(bytes.fromhex, _texts.decode(str(cell))))


def _decoded_tags(texts: list[str]) -> list[tuple[str, ...]]:
    """Each distinct text only once, and all at once."""
    distinct = list(set(texts))
    known = dict(zip(distinct, _decode_tags(distinct), strict=True))
    return [known[text] for text in texts]


def _decode_tags(texts: list[str]) -> list[tuple[str, ...]]:
    with suppress(msgspec.DecodeError):
        found = _tag_lists.decode(f"[{','.join(texts)}]")
        if len(found) == len(texts):
            return found
    return [_foreign_tags(text) for text in texts]


def _foreign_tags(text: str) -> tuple[str, ...]:
    """What somebody else has written may be no list of tags: the hash chain will tell."""
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        return (text,)
