"""The hash chain over the log: each event's hash covers the event and the hash of the one before it. Pure.

An event's hash is the SHA-256 of the hash before it (32 zero bytes before the first event) followed by a
MessagePack array: position, stream, version, type, schema, id (16 bytes), time in microseconds, causation (16
bytes or nil), correlation (16 bytes or nil), data as text, metadata as text or nil, tags as text or nil, remaining.
Tags are written as the JSON array of their names in alphabetical order, nil when there are none.

What a chain can show, and what it can't. Whoever changes, removes, inserts or reorders events in the middle breaks it
at that place. The end has nothing behind it: therefore the number of events and the last hash are also noted in
a place of their own. But somebody who can write to the storage and knows this code can compute the whole chain and
the note anew. Against that helps only a head that was kept elsewhere, out of reach: any later log must contain it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from headwater.store.model import StoredEvent

GENESIS: Final = bytes(32)
"""The hash before the first event."""

_encode: Final = msgspec.msgpack.Encoder().encode


class ChainHead(msgspec.Struct, frozen=True):
    """Where the chain ends.

    Attributes:
        position: the position of the last event, which is also how many there are.
        hash: its hash; `GENESIS` when there is none.
    """

    position: int = 0
    hash: bytes = GENESIS


class ChainLink(msgspec.Struct, frozen=True, gc=False):
    """An event and the hash stored beside it, whatever it may be."""

    event: StoredEvent
    hash: bytes | None


class Break(msgspec.Struct, frozen=True):
    """The first place at which the log is not what the chain was made from.

    Attributes:
        position: where the first event lies, or should lie, that was altered, removed, inserted or moved.
        reason: what was found there, for people.
    """

    position: int
    reason: str


Fields = tuple[int, str, int, str, int, bytes, int, bytes | None, bytes | None, str, str | None, str | None, int]
"""What an event's hash covers, in the order of this module's docstring."""


def next_hash(previous: bytes, fields: Fields) -> bytes:
    """The hash of an event, given the one before it."""
    return sha256(previous + _encode(fields)).digest()


def hash_of(event: StoredEvent, previous: bytes) -> bytes:
    """The hash of an event out of the log, given the one before it."""
    fields = (
        event.position,
        event.stream,
        event.version,
        event.type,
        event.schema,
        event.id_bytes,
        event.microseconds,
        event.causation_bytes,
        event.correlation_bytes,
        event.data,
        event.metadata_json,
        tags_text(event.tags),
        event.remaining,
    )
    return next_hash(previous, fields)


def tags_text(tags: Iterable[str]) -> str | None:
    """Tags as the chain and the storage have them: a JSON array in alphabetical order, None for none."""
    names = sorted(tags)
    return msgspec.json.encode(names).decode() if names else None


class Checker:
    """Goes along a chain, and notes the first place where it is broken.

    Args:
        known: heads that were kept elsewhere: hashes of events that the log must contain.
    """

    def __init__(self, known: Iterable[bytes] = ()) -> None:
        self.head = ChainHead()
        self.broken: Break | None = None
        self._missing = set(known) - {GENESIS}

    def follow(self, links: Iterable[ChainLink]) -> bool:
        """Check the next links. False once the chain is broken: nothing behind that place means anything."""
        for link in links:
            self.broken = self._look(link)
            if self.broken is not None:
                return False
        return True

    def finish(self, noted: ChainHead) -> None:
        """After the last link: compare with the head that the storage has noted, and the ones kept elsewhere."""
        if self.broken is not None:
            return
        head = self.head
        if noted.position > head.position:
            self.broken = Break(head.position + 1, f"the log should have {noted.position} events; its end was removed")
        elif noted != head:
            self.broken = Break(noted.position + 1, "the log does not end as its last append has noted it")
        elif self._missing:
            self.broken = Break(head.position, f"no event has the hash {min(self._missing).hex()}, which was kept")

    def _look(self, link: ChainLink) -> Break | None:
        event, wanted = link.event, self.head.position + 1
        if event.position != wanted:
            return Break(wanted, f"the event at position {wanted} was removed; the next one is at {event.position}")
        found = hash_of(event, self.head.hash)
        if link.hash != found:
            return Break(wanted, "the event here is not the one that was appended: altered, inserted or moved")
        self.head = ChainHead(wanted, found)
        self._missing.discard(found)
        return None
