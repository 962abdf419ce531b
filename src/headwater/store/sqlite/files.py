"""Everything that is open while a store is, apart from its event loop: opened and closed by blocking calls."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import apsw

from headwater.clock import Clock
from headwater.errors import NotAStore
from headwater.store.sqlite.connection import open_reader, open_writer
from headwater.store.sqlite.failure import storage_failure
from headwater.store.sqlite.file import check_file
from headwater.store.sqlite.lock import WriterLock
from headwater.store.sqlite.reader import Readers
from headwater.store.sqlite.schema import SCHEMA_VERSION, checked_version, prepare
from headwater.store.sqlite.subscriptions import void_leases
from headwater.store.sqlite.writer import Writer
from headwater.store.url import Durability

_READERS: Final = 2


class Files:
    """The lock, the connections and the threads of one store. Made by `for_writing` or `for_reading`.

    Args:
        path: the store's file.
        readers: for reading.
        writer: for writing; None in a store that only reads.
        on_close: what is left to close after these two.
    """

    def __init__(self, path: Path, readers: Readers, writer: Writer | None, on_close: ExitStack) -> None:
        self.path: Final = path
        self.readers: Final = readers
        self.writer: Final = writer
        self._on_close: Final = on_close

    @classmethod
    def for_writing(
        cls,
        path: Path,
        clock: Clock,
        *,
        create: bool,
        durability: Durability,
        queue_limit: int,
        max_pages: int | None,
    ) -> Files:
        """Open the store, and make it if there is none.

        Leases on its subscriptions are void from then on: whoever had them has lost the lock.

        Raises:
            StoreLocked, NotAStore, NewerSchema, StorageFailed: see `SqliteAdapter.open`.
        """
        path = path.absolute()  # the program may change its working directory
        check_file(path, create=create)
        with ExitStack() as undo:
            lock = WriterLock(path, clock)
            lock.acquire()
            undo.callback(lock.release)
            try:
                connection = open_writer(path, durability=durability, max_pages=max_pages)
                undo.callback(_close_writer, connection)
                prepare(connection, path)
                with suppress(apsw.FullError):  # a full disk can be read; then the leases end in their own time
                    void_leases(connection)
                writer = Writer(connection, path, clock, queue_limit)
                readers = Readers(path, _READERS)
            except apsw.Error as error:
                raise storage_failure(path, error) from error
            return cls(path, readers, writer, undo.pop_all())

    @classmethod
    def for_reading(cls, path: Path) -> Files:
        """Open the store beside whoever writes it.

        Raises:
            NotAStore, NewerSchema, StorageFailed: see `SqliteAdapter.open`.
        """
        path = path.absolute()
        check_file(path, create=False)
        try:
            connection = open_reader(path)
            try:
                version = checked_version(connection, path)
            finally:
                connection.close()
            readers = Readers(path, _READERS)
        except apsw.Error as error:
            raise storage_failure(path, error) from error
        if version < SCHEMA_VERSION:
            state = "has not been set up yet" if version == 0 else f"has the older schema version {version}"
            raise NotAStore(f"{path}: this store {state}; open it for writing once")
        return cls(path, readers, None, ExitStack())

    def close(self) -> None:
        """Answer what is queued, wait for the queries that run, close the connections, give back the lock."""
        if self.writer is not None:
            self.writer.finish()
        self.readers.close()
        self._on_close.close()


def _close_writer(connection: apsw.Connection) -> None:
    """Move the write-ahead log into the file, as far as readers in other processes allow it, and close."""
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error:
        pass  # nothing is lost: the log stays beside the file and is read from there
    finally:
        with suppress(apsw.Error):  # the disk fails; what was acknowledged is on it already
            connection.close()
