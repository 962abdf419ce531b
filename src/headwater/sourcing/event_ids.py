"""The identifiers of a command's events, when the command has an identifier of its own. Pure."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

_TIMED: Final = 7
_TIME_BYTES: Final = 6


def event_id(command: bytes, index: int) -> UUID:
    """The identifier of one event of a command: always the same, a UUIDv8 (RFC 9562, section 5.8).

    Of a UUIDv7 it keeps the first 48 bits, its milliseconds, so that an index on the identifiers grows at its end. All
    other bits are a hash of the command's identifier and the index.

    Args:
        command: the 16 bytes of the command's identifier.
        index: 0 for the command's first event.
    """
    digest = hashlib.blake2b(command + index.to_bytes(4), digest_size=16, person=b"headwater.event").digest()
    if command[6] >> 4 == _TIMED:
        digest = command[:_TIME_BYTES] + digest[_TIME_BYTES:]
    number = int.from_bytes(digest)
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return UUID(int=number)
