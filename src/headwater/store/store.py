"""The facade of the event store: what everybody uses."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from headwater.clock import Clock
from headwater.codec import Codec
from headwater.store.asking import AskingStore
from headwater.store.backup import BackupStore
from headwater.store.encoded import EncodedStore
from headwater.store.erasing import ErasingStore
from headwater.store.exporting import ExportingStore
from headwater.store.importing import ImportingStore
from headwater.store.master_key import MASTER_KEY_VARIABLE, MasterKeys
from headwater.store.opening import open_adapter
from headwater.store.streams import StreamsStore
from headwater.store.subscribing import SubscribingStore
from headwater.store.url import Durability
from headwater.telemetry import Telemetry
from headwater.upcaster import AnyUpcaster


class EventStore(
    EncodedStore, AskingStore, SubscribingStore, StreamsStore, ErasingStore, BackupStore, ExportingStore, ImportingStore
):
    """An append-only log of events in streams. Made by `open`; belongs to the event loop that opened it.

        async with await EventStore.open("sqlite:///bank.db", codec) as store:
            await store.append("account-1", [Deposited(50)], expected=0)
            async for recorded in store.read_all():
                print(recorded.position, recorded.event)

    Positions are 1, 2, 3 … in commit order, versions 1, 2, 3 … in each stream, without gaps. A reader that has
    seen position p never later finds an event at or below p that it has not seen.

    Args:
        adapter: the backend, open.
        codec: knows the classes of all events.
        clock: for event identifiers; the system's by default.
        telemetry: who wants to know; nobody by default.
    """

    @classmethod
    async def open(
        cls,
        url: str,
        codec: Codec,
        *,
        upcasters: Iterable[AnyUpcaster] = (),
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        read_only: bool = False,
        create: bool = True,
        durability: Durability | None = None,
        master_key: str | None = None,
    ) -> Self:
        """Open the store that a URL names.

        Args:
            url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`,
                `postgresql://user:password@host:port/database`, or `memory://` for a store that is gone when it is
                closed. `?durability=relaxed` may stand at the end of a file's or a database's; `?schema=name` says
                in which schema of a database the log lies, `headwater` by default.
            codec: knows the classes of all events.
            upcasters: what makes of events of earlier days what these classes can read, besides those of the codec.
            clock: for event identifiers and for the time at which events are recorded; the system's by default.
            telemetry: who wants to know; nobody by default.
            read_only: don't write. Works beside a process that writes, and when there is none.
            create: make the store if there is none. Has no effect with `read_only`.
            durability: `full`: an append is on the disk before it is answered. `relaxed`: what was answered last may
                be lost with the machine, though not with the process. By default what the URL says, or else `full`.
            master_key: what the keys for personal fields are wrapped with: 32 bytes in base64, see
                `generate_master_key`. By default the environment variable HEADWATER_MASTER_KEY, or none. To change it,
                give the new one, a comma and the old one, and see `rewrap_keys`.

        Raises:
            BrokenUpcasters: the upcasters leave a hole or lead nowhere. Nothing was opened.
            InvalidMasterKey: the master key has another form. Nothing was opened.
            NotAStore: the URL has another form, or names something else, or nothing and it shall not be made.
                Nothing was touched.
            NewerSchema: the store was written by a newer Headwater. Nothing was touched.
            StoreLocked: another process, or another store in this one, writes to it. The message names it.
            StorageFailed: the directory is missing or cannot be written to, the database cannot be reached, or the
                storage refused.
            MissingExtra: the database's driver isn't installed.
        """
        codec = codec.with_upcasters(upcasters) if upcasters else codec
        codec.check_upcasters()
        master = master_key or os.environ.get(MASTER_KEY_VARIABLE)
        keys = MasterKeys(master) if master else None
        adapter = await open_adapter(url, clock=clock, read_only=read_only, create=create, durability=durability)
        store = cls(adapter, codec, clock=clock, telemetry=telemetry)
        if keys is not None:
            store.vault.unlock(keys)
        return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all followers and subscriptions, answer the appends that are queued, release everything.

        Subscriptions write their checkpoints first. Harmless when closed already.
        """
        await self._subscriptions.close()
        self._closed = True
        for bell in self._followers:
            bell.set()
        await self._outlet.drain()
        self.vault.drop()
        await self.adapter.close()
