"""The identifiers of commands that follow from something: always the same, however often they are worked out. Pure."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

_TIMED: Final = (7, 8)
_TIME_BYTES: Final = 6


def derived_id(trigger: UUID, purpose: str, index: int) -> UUID:
    """The identifier of one thing that follows from a trigger.

    It has the form of a UUIDv7. Of a trigger that tells its time it keeps the first 48 bits, its milliseconds, so that
    an index on the identifiers grows at its end. All other bits are a hash.

    Args:
        trigger: the identifier of the event or command that it follows from.
        purpose: what for; things of different purposes have different identifiers.
        index: which one of those that follow.
    """
    digest = hashlib.blake2b(
        trigger.bytes + purpose.encode(), digest_size=16, salt=index.to_bytes(8), person=b"headwater.derive"
    ).digest()
    if trigger.version in _TIMED:
        digest = trigger.bytes[:_TIME_BYTES] + digest[_TIME_BYTES:]
    number = int.from_bytes(digest)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return UUID(int=number)
