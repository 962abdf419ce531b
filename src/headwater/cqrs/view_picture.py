"""A table projection as it is at one position, turned into bytes and back. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from headwater.cqrs.projection import TableProjection
from headwater.errors import DefinitionError
from headwater.sourcing.state_codec import plain

ROWS_A_PART: Final = 5_000
"""How many rows are encoded at once. Nothing else runs in that time, a few milliseconds."""


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot consists of.

    Attributes:
        fingerprint: of the code that made it.
        position: up to where the view had followed the log.
        event: the id of the event there, by which another log is told from this one.
        taken_at: when, in microseconds since 1970-01-01 UTC.
        rows: how many there are.
        parts: how many parts they are in, the state of the projection included.
        slot: where the parts lie.
        digest: the SHA-256 of all of the above and of the parts.
    """

    fingerprint: str
    position: int
    event: bytes
    taken_at: int
    rows: int
    parts: int
    slot: int
    digest: bytes = b""

    def sealed(self, parts: hashlib._Hash) -> Manifest:
        """The manifest with its digest, given the hash of all parts."""
        return msgspec.structs.replace(self, digest=self._digest(parts))

    def holds(self, parts: hashlib._Hash) -> bool:
        """Whether nothing has changed since it was sealed."""
        return self.digest == self._digest(parts)

    def _digest(self, parts: hashlib._Hash) -> bytes:
        bare = msgspec.structs.replace(self, digest=b"")
        return hashlib.sha256(msgspec.msgpack.encode(bare) + parts.digest()).digest()


class Picture:
    """What goes into a snapshot: taken in one turn, to be encoded in another thread.

    The rows are immutable, so that only the list of them is copied; the rest of the state is encoded at once.

    Args:
        projection: as it is now.

    Raises:
        DefinitionError: an attribute can't be put into a snapshot.

    Attributes:
        rows: all rows.
        state: the projection's attributes besides its table, encoded.
    """

    def __init__(self, projection: TableProjection[Any]) -> None:
        self._row = type(projection).row_class
        self.rows: Sequence[Any] = projection.table.rows()
        self.state = projection.dump_state()

    @property
    def count(self) -> int:
        """How many parts there are."""
        return 1 + -(-len(self.rows) // ROWS_A_PART)

    def parts(self) -> Iterator[bytes]:
        """The parts, encoded one by one.

        Raises:
            DefinitionError: rows can't be encoded, or wouldn't come back as they are.
        """
        yield self.state
        decoder = msgspec.msgpack.Decoder(list[self._row])  # type: ignore[name-defined]  # the rows' class
        for first in range(0, len(self.rows), ROWS_A_PART):
            yield _encoded(self.rows[first : first + ROWS_A_PART], decoder, self._row.__qualname__)


def _encoded(rows: Sequence[Any], decoder: msgspec.msgpack.Decoder[list[Any]], name: str) -> bytes:
    try:
        data = msgspec.msgpack.encode(rows, enc_hook=plain)
        again = decoder.decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise DefinitionError(f"rows of class {name} can't be put into a snapshot: {error}") from error
    if again != rows and msgspec.msgpack.encode(again) != data:
        raise DefinitionError(f"rows of class {name} can't be put into a snapshot: they come back otherwise")
    return data


def restored(kind: type[TableProjection[Any]], parts: Sequence[bytes]) -> TableProjection[Any]:
    """A projection out of the parts of a snapshot.

    Raises:
        Exception: the parts don't fit.
    """
    projection = kind()
    decoder = msgspec.msgpack.Decoder(list[kind.row_class])  # type: ignore[name-defined]
    for part in parts[1:]:
        projection.table.insert_many(decoder.decode(part))
    projection.load_state(parts[0])
    return projection
