"""Where the snapshots of a table projection are kept: among the store's snapshots, on every backend."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from headwater.clock import Clock
from headwater.cqrs.projection import Projection, TableProjection
from headwater.cqrs.view_picture import Manifest, Picture, restored
from headwater.errors import StoreReadOnly
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.types import Position

_MANIFEST: Final = "manifest"
_SLOTS: Final = 2
_DECODER: Final = msgspec.msgpack.Decoder(Manifest)

_log: Final = logging.getLogger("headwater.cqrs")


class Restored(NamedTuple):
    """A projection out of a snapshot, and up to where it has followed the log."""

    projection: Projection
    position: Position


class ViewSnapshots:
    """The one snapshot of a view.

    It consists of parts of some thousand rows each, so that no append waits long behind one, and a manifest, which is
    written last. The parts of a new snapshot lie beside those of the old one until then: after a crash at any moment
    the old one or the new one is there, whole.

    A snapshot is a shortcut. One that other code has made, that is broken, or that is of another log is as good as
    none. Where several applications share a log, the last one wins; if two write at the same moment, theirs may be
    found broken.

    Args:
        store: where it is kept.
        kind: the view's class; it takes snapshots.
        clock: says when one was taken.
    """

    def __init__(self, store: EventStore, kind: type[TableProjection[Any]], clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._clock = clock
        self._stream = f"view {kind.view}"

    async def load(self) -> Restored | None:
        """The projection as the snapshot has it; None if there is none that holds. Never raises on account of one.

        Raises:
            StoreError: the store can't be read.
        """
        manifest = await self.manifest()
        if manifest is None:
            return None
        parts = await self._parts(manifest)
        if parts is None:
            _log.warning("the snapshot of %s at position %d is broken: ignored", self._stream, manifest.position)
            return None
        try:
            return Restored(restored(self._kind, parts), Position(manifest.position))
        except Exception as error:  # noqa: BLE001 - whatever it is, the log has everything
            _log.warning("the snapshot of %s at position %d is ignored: %r", self._stream, manifest.position, error)
            return None

    async def manifest(self) -> Manifest | None:
        """What the snapshot consists of; None if there is none that was made by this code from this log.

        Raises:
            StoreError: the store can't be read.
        """
        manifest = await self._stored()
        if manifest is None or manifest.fingerprint != self._kind.fingerprint():
            return None
        last = await self._store.page_all(manifest.position - 1, 1)
        return manifest if last and last[0].id_bytes == manifest.event else None

    async def save(self, picture: Picture, last: StoredEvent) -> Position:
        """Keep a picture instead of the snapshot that there is. Its encoding happens in another thread.

        Args:
            picture: the projection's.
            last: the last event that it has followed.

        Raises:
            DefinitionError: a row can't be encoded.
            StoreError: it could not be stored.
        """
        old = await self._stored()
        slot = 0 if old is None else (old.slot + 1) % _SLOTS
        if old is not None and await self.manifest() is None:
            await self.forget()  # useless, and perhaps of a higher position, which would stay
        await self._store.delete_snapshots(self._slot(slot))
        manifest = await self._save_parts(picture, last, slot)
        await self._store.save_snapshot(
            Snapshot(self._stream, _MANIFEST, last.position, msgspec.msgpack.encode(manifest))
        )
        await self._store.delete_snapshots(self._slot((slot + 1) % _SLOTS))
        return Position(last.position)

    async def forget(self) -> None:
        """Remove it. Harmless when there is none.

        Raises:
            StoreError: it could not be removed.
        """
        await self._store.delete_snapshots(self._stream, _MANIFEST)
        for slot in range(_SLOTS):
            await self._store.delete_snapshots(self._slot(slot))

    async def _save_parts(self, picture: Picture, last: StoredEvent, slot: int) -> Manifest:
        digest, parts = hashlib.sha256(), picture.parts()
        for number in range(picture.count):
            part = await asyncio.to_thread(next, parts)
            digest.update(part)
            await self._store.save_snapshot(Snapshot(self._slot(slot), str(number), last.position, part))
        now = self._clock.wall() // 1000
        unsealed = Manifest(
            self._kind.fingerprint(), last.position, last.id_bytes, now, len(picture.rows), picture.count, slot
        )
        return unsealed.sealed(digest)

    async def _stored(self) -> Manifest | None:
        found = await self._store.load_snapshot(self._stream, _MANIFEST)
        try:
            return None if found is None else _DECODER.decode(found.data)
        except msgspec.DecodeError:
            _log.warning("the snapshot of %s is broken: ignored", self._stream)
            with suppress(StoreReadOnly):  # the next one that writes does it
                await self.forget()
            return None

    async def _parts(self, manifest: Manifest) -> list[bytes] | None:
        parts: list[bytes] = []
        digest = hashlib.sha256()
        for number in range(manifest.parts):
            found = await self._store.load_snapshot(self._slot(manifest.slot), str(number))
            if found is None:
                return None
            digest.update(found.data)
            parts.append(found.data)
        return parts if manifest.holds(digest) else None

    def _slot(self, slot: int) -> str:
        return f"{self._stream} {slot}"
