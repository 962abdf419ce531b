"""The queries that read events, and the form in which their answers come back.

A page is one row that holds a JSON array for each column of the events: one step of SQLite, then msgspec. See the
package's docstring for why. Text is carried as JSON strings, so the stored JSON comes back to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Final

import apsw
import msgspec

from headwater.errors import InternalError
from headwater.store.chain import GENESIS, ChainHead, ChainLink
from headwater.store.model import StoredEvent
from headwater.store.page import Page, Selection
from headwater.store.sqlite.selecting import places, positions

_HEAD: Final = "(SELECT coalesce(max(position), 0) FROM events)"
_COLUMNS: Final = """
    json_group_array(place), json_group_array(position), json_group_array(stream), json_group_array(version),
    json_group_array(type), json_group_array(schema), json_group_array(data),
    group_concat(hex(id), ''), json_group_array(recorded_at),
    json_group_array(hex(causation)), json_group_array(hex(correlation)), json_group_array(metadata),
    json_group_array(tags), json_group_array(remaining)
"""
_ROWS: Final = """
    SELECT {place} AS place, events.position AS position, streams.name AS stream, events.version AS version,
           types.name AS type, types.schema AS schema, events.data AS data, events.id AS id,
           events.recorded_at AS recorded_at, events.causation AS causation, events.correlation AS correlation,
           events.metadata AS metadata, events.tags AS tags, events.remaining AS remaining, events.hash AS hash
    FROM {events}
    JOIN streams ON streams.id = events.stream JOIN types ON types.id = events.type {where}
"""
_PAGE: Final = f"SELECT {_COLUMNS}, {_HEAD} FROM ({_ROWS})"  # noqa: S608 - constants only
_LINKS: Final = f"SELECT {_COLUMNS}, json_group_array(hex(hash)) FROM ({_ROWS})"  # noqa: S608


def _of_places(query: str, places: str) -> str:
    """The query for events that lie at places."""
    events = f"({places}) AS found CROSS JOIN events ON events.position = found.position"
    return query.format(place="found.place", events=events, where="")


def _of_log(query: str, where: str) -> str:
    """The query for a part of the log, without a detour."""
    return query.format(place="events.position", events="events", where=where)


_RANGE: Final = "WHERE position > ? AND position < ? ORDER BY position {} LIMIT ?"
_FORWARDS: Final = _of_log(_PAGE, _RANGE.format("ASC"))
_BACKWARDS: Final = _of_log(_PAGE, _RANGE.format("DESC"))
_CHAIN: Final = _of_log(_LINKS, "WHERE position > ? ORDER BY position LIMIT ?")
_BY_ID: Final = _of_places(
    _PAGE, "SELECT position AS place, position FROM events WHERE id IN (SELECT unhex(value) FROM json_each(?))"
)
_ENDS: Final = """
SELECT json_group_array(position) FROM events
WHERE position IN (SELECT value FROM json_each(?)) AND remaining = 0
"""

_Value = int | float | str | bytes | None
_Row = tuple[_Value, ...]

_texts: Final = msgspec.json.Decoder(list[str])
_maybe_texts: Final = msgspec.json.Decoder(list[str | None])
_tag_lists: Final = msgspec.json.Decoder(list[tuple[str, ...]])
_integers: Final = msgspec.json.Decoder(list[int])
_ID_BYTES: Final = 16


def read(connection: apsw.Connection, selection: Selection, limit: int) -> Page:
    """The first events of a selection."""
    if selection.stream is None and (selection.query is None or selection.query.everything):
        values: tuple[apsw.SQLiteValue, ...] = (*positions(selection), limit)
        query = _BACKWARDS if selection.backwards else _FORWARDS
    else:
        found = places(connection, selection, limit)
        query, values = _of_places(_PAGE, found.sql), found.values
    *columns, head = _row(connection, query, values)
    events, found_places = _events(columns), _integers.decode(str(columns[0]))
    _check_order(found_places, selection)
    if selection.stream is not None:
        _mark_links(events, found_places, selection.stream)
    return Page(events, int(str(head)))


def head(connection: apsw.Connection) -> int:
    """The highest position; 0 for an empty log."""
    [found] = _row(connection, f"SELECT {_HEAD}", ())
    return int(str(found))


def events_by_id(connection: apsw.Connection, ids: Iterable[bytes]) -> list[StoredEvent]:
    """Those events that have one of the ids, in no order."""
    wanted = msgspec.json.encode([one.hex() for one in ids]).decode()
    *columns, _ = _row(connection, _BY_ID, (wanted,))
    return _events(columns)


def ends(connection: apsw.Connection, positions: Sequence[int]) -> set[int]:
    """Those of the positions at which an append ends."""
    wanted = msgspec.json.encode(positions).decode()
    [found] = _row(connection, _ENDS, (wanted,))
    return set(_integers.decode(str(found)))


def chain(connection: apsw.Connection, after: int, limit: int) -> list[ChainLink]:
    """The next events above position `after` with what is stored as their hashes."""
    *columns, hashes = _row(connection, _CHAIN, (after, limit))
    return list(map(ChainLink, _events(columns), map(_bytes, _texts.decode(str(hashes)))))


def chain_head(connection: apsw.Connection) -> ChainHead:
    """Where the chain ends, as it was noted; at its beginning if the note is gone."""
    rows = connection.execute("SELECT position, hash FROM chain").fetchall()
    return ChainHead(*msgspec.convert(rows[0], tuple[int, bytes])) if rows else ChainHead(0, GENESIS)


def _row(connection: apsw.Connection, query: str, values: tuple[apsw.SQLiteValue, ...]) -> _Row:
    # All rows are fetched although there is one: a statement that isn't finished would hold its snapshot.
    [row] = connection.execute(query, values).fetchall()
    return row


def _events(row: Sequence[_Value]) -> list[StoredEvent]:
    columns = [str(column or "") for column in row]
    _, positions, streams, versions, kinds, schemas, data, ids, times, causes, correlations, metadata, *rest = columns
    tags, remaining = rest
    return list(
        map(
            StoredEvent,
            _integers.decode(positions),
            _texts.decode(streams),
            _integers.decode(versions),
            _texts.decode(kinds),
            _integers.decode(schemas),
            _texts.decode(data),
            _split(ids),
            _integers.decode(times),
            _all_bytes(_texts.decode(causes)),
            _all_bytes(_texts.decode(correlations)),
            _maybe_texts.decode(metadata),
            _all_tags(_maybe_texts.decode(tags)),
            _integers.decode(remaining),
        )
    )


def _check_order(found: list[int], selection: Selection) -> None:
    """SQLite gathers a column in the order of the subquery, but doesn't promise it."""
    if found != sorted(found, reverse=selection.backwards):
        raise InternalError("SQLite returned a page out of order")


def _mark_links(events: list[StoredEvent], versions: list[int], stream: str) -> None:
    """Have the events that were linked into the stream look so."""
    for index, event in enumerate(events):
        if event.stream != stream:
            origin = (event.stream, event.version)
            events[index] = msgspec.structs.replace(event, stream=stream, version=versions[index], linked_from=origin)


def _split(ids: str) -> list[bytes]:
    joined = bytes.fromhex(ids)
    return [joined[start : start + _ID_BYTES] for start in range(0, len(joined), _ID_BYTES)]


def _bytes(text: str) -> bytes | None:
    return bytes.fromhex(text) if text else None


def _all_bytes(texts: list[str]) -> Iterable[bytes | None]:
    return map(_bytes, texts) if any(texts) else repeat(None)


def _all_tags(texts: list[str | None]) -> Iterable[tuple[str, ...]]:
    """Decoded all at once, each distinct text only once."""
    distinct = list({text for text in texts if text})
    if not distinct:
        return repeat(())
    found: dict[str | None, tuple[str, ...]] = dict(zip(distinct, _decode_tags(distinct), strict=True))
    return [found.get(text, ()) for text in texts]


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
