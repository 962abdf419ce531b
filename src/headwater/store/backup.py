"""Copies of a store, made while it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import msgspec

from headwater.errors import BackupUnsupported
from headwater.store.base import StoreBase
from headwater.store.chain import ChainHead

BackupProgress = Callable[[Literal["copying", "verifying"], int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


class Backup(msgspec.Struct, frozen=True):
    """A copy that was made, and found whole.

    Attributes:
        path: the file.
        head: how many events it has, and the hash of the last one.
        size: in bytes.
    """

    path: Path
    head: ChainHead
    size: int


@runtime_checkable
class BackupAdapter(Protocol):
    """A backend that can copy itself into a file. Others have tools of their own."""

    async def backup(self, path: Path, *, overwrite: bool, progress: BackupProgress | None) -> Backup:
        """See `EventStore.backup`."""


class BackupStore(StoreBase):
    """Makes copies. See `EventStore`."""

    async def backup(
        self, path: Path | str, *, overwrite: bool = False, progress: BackupProgress | None = None
    ) -> Backup:
        """Copy the store into a file, as it is at one moment, while it goes on being read and written.

        The copy is made step by step beside the others' work, verified event by event against the hash chain, and only
        then put under its name: there is never half a copy there. It has everything in it: events, links, marks,
        snapshots, checkpoints, keys of subjects as they are wrapped. While it is made the write-ahead log grows by what
        is appended. To restore it, open it, or put it where the store's file was while nobody has that open.

        Args:
            path: where the copy shall be.
            overwrite: replace a file that is there. Not one that somebody writes to, nor the store itself.
            progress: called after each step.

        Returns:
            What was made. Keep the hash elsewhere, to recognise the copy by: `verify` takes it.

        Raises:
            FileTaken: there is something already, and it shall not be replaced; or it is the store itself.
            StoreLocked: somebody writes to the file that shall be replaced.
            BackupFailed: the copy could not be written, or is not whole. Nothing was left at the path.
            BackupUnsupported: this backend can't; the message tells what can.
            StoreClosed, StorageFailed: see `page`.
        """
        if not isinstance(self.adapter, BackupAdapter):
            raise BackupUnsupported(
                f"{self.location}: this backend doesn't copy itself: use the database's own tools, such as pg_dump, or "
                "an export"
            )
        return await self.adapter.backup(Path(path), overwrite=overwrite, progress=progress)
