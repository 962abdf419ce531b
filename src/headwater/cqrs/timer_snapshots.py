"""What is known of timers, kept in the store, so that a start needn't read all their events."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from headwater.cqrs.timer_index import TimerIndex, TimerPicture
from headwater.errors import StoreError, StoreReadOnly
from headwater.store.model import Recorded
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot

_STREAM: Final = "timers"
_KEY: Final = "1"
"""The version of the form below: a snapshot of another form isn't found."""

_log: Final = logging.getLogger("headwater.cqrs")


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    event: bytes
    picture: TimerPicture


_DECODER: Final = msgspec.msgpack.Decoder(_Kept)


class Restored(NamedTuple):
    """What is known of timers, and up to where the log was followed for it."""

    timers: TimerIndex
    position: int


class TimerSnapshots:
    """The one snapshot of the index of timers.

    It is a shortcut: one that is broken, or of another log, is as good as none. Where several programs share a log, the
    one that is furthest wins, whoever made it.

    Args:
        store: where it is kept.
    """

    def __init__(self, store: EventStore) -> None:
        self._store: Final = store

    async def load(self, limit: int) -> Restored:
        """The index as the snapshot has it; an empty one, and the beginning of the log, if there is none that holds.

        Args:
            limit: see `TimerIndex`.

        Raises:
            StoreError: the store can't be read.
        """
        found = await self._store.load_snapshot(_STREAM, _KEY)
        if found is not None:
            try:
                kept = _DECODER.decode(found.data)
                if await self._is_of_this_log(found.version, kept.event):
                    return Restored(TimerIndex.restored(kept.picture, limit), found.version)
            except (msgspec.DecodeError, ValueError) as error:
                _log.warning("the snapshot of timers at position %d is broken: %s", found.version, error)
            with suppress(StoreReadOnly):
                await self._store.delete_snapshots(_STREAM)  # or it would stay if its position is a higher one
        return Restored(TimerIndex(limit), 0)

    async def save(self, index: TimerIndex, last: Recorded) -> None:
        """Keep it, unless there is one of a higher position. A failure is logged: the log has everything.

        Args:
            index: what is kept.
            last: the last event that it has followed.
        """
        data = msgspec.msgpack.encode(_Kept(last.id.bytes, index.picture()))
        try:
            await self._store.save_snapshot(Snapshot(_STREAM, _KEY, last.position, data))
        except StoreError as error:
            _log.warning("the snapshot of timers at position %d was not saved: %s", last.position, error)

    async def _is_of_this_log(self, position: int, event: bytes) -> bool:
        found = await self._store.page_all(position - 1, 1)
        return bool(found) and found[0].id_bytes == event
