"""Identifiers, and the names that their types have in every signature."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID


class Position(int):
    """Where an event stands in the log: 1, 2, 3 … in commit order. 0 is before the first event."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Position({int(self)})"

    __str__ = int.__repr__


class Version(int):
    """Where an event stands in its stream: 1, 2, 3 …. 0 is a stream without events."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Version({int(self)})"

    __str__ = int.__repr__


class TypeName(NamedTuple):
    """What a class is called in the log.

    Attributes:
        name: stable for ever.
        version: the schema version, 1 or higher; raised by a change that old bytes don't fit.
    """

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


EventId = UUID
CommandId = UUID
CorrelationId = UUID

_VERSION: Final = 0x7 << 12
_FRACTIONS: Final = 1 << 12
_WITH_VARIANT: Final = bytes([0b10 << 6 | byte & 0b11_1111 for byte in range(256)])
_REFILL: Final = 128
_HALVES: Final = struct.Struct(">QQ")
_RANDOM: Final = struct.Struct(f">{_REFILL}Q")


class IdSource:
    """Makes UUIDv7 identifiers (RFC 9562, section 5.7) that rise strictly within this source.

    The 12 bits after the milliseconds hold the fraction of the millisecond (RFC 9562, section 6.2, method 3),
    and count on when two identifiers fall into the same fraction; the last 62 bits are random. So identifiers
    from one source never repeat and an index on them grows at its end, and two sources collide with a chance
    of 2⁻⁶² within the same quarter microsecond.

    Args:
        now: nanoseconds since the epoch.
        random_bytes: as many random bytes as asked for; secure ones by default.
    """

    __slots__ = ("_last", "_now", "_pool", "_random_bytes")

    def __init__(
        self,
        now: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._last = 0
        self._pool: list[int] = []

    def next(self) -> UUID:
        """The next identifier, higher than every one before it."""
        return UUID(int=self.next_int())

    def next_int(self) -> int:
        """The next identifier as its 128-bit number."""
        return int.from_bytes(self.next_bytes())

    def next_bytes(self) -> bytes:
        """The next identifier as its 16 bytes, for those who need it often."""
        now = self._now()
        milliseconds = now // 1_000_000
        fraction = (now - milliseconds * 1_000_000) * _FRACTIONS // 1_000_000
        high = milliseconds << 16 | _VERSION | fraction
        if high <= self._last:
            high = _successor(self._last)
        self._last = high
        if not self._pool:
            self._refill()
        return _HALVES.pack(high, self._pool.pop())

    def _refill(self) -> None:
        raw = bytearray(self._random_bytes(8 * _REFILL))
        raw[::8] = raw[::8].translate(_WITH_VARIANT)
        self._pool = list(_RANDOM.unpack(raw))


def _successor(high: int) -> int:
    """The next higher first half of an identifier: the fraction counts on, and flows over into the milliseconds."""
    if high & (_FRACTIONS - 1) < _FRACTIONS - 1:
        return high + 1
    return ((high >> 16) + 1) << 16 | _VERSION
