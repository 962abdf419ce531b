"""The facade's view of streams as things: what is known of them, links, deletion, snapshots."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from headwater.store.base import StoreBase
from headwater.store.model import Expected, ExpectedVersion
from headwater.store.naming import NUL, check_lookup, check_stream_name
from headwater.store.reading import PAGE
from headwater.store.stream import Linked, Snapshot, StreamInfo, StreamSearch


class StreamsStore(StoreBase):
    """Looks after streams. See `EventStore`."""

    async def streams(
        self, after: str = "", *, prefix: str = "", deleted: bool = False
    ) -> AsyncGenerator[StreamInfo, None]:
        """The streams above a name, in the order of their names' UTF-8 bytes.

        Args:
            after: only names behind this one: the last name of the page before.
            prefix: only names that begin so.
            deleted: those that are deleted too.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        for name in (after, prefix):
            check_lookup(name)
        while page := await self.adapter.streams(StreamSearch(prefix, after, deleted), PAGE):
            for info in page:
                yield info
            after = page[-1].name

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known about a stream without reading it, also of a deleted one; None when it never had an event.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        check_lookup(name)
        return await self.adapter.stream_info(name)

    async def link(self, stream: str, positions: Iterable[int], *, expected: ExpectedVersion = Expected.ANY) -> Linked:
        """Put events that are in the log into another stream too, behind its last version, all or none.

        They are the same events: the log as a whole has them once, at their positions. Read from this stream they
        have its name and a version in it, and `linked_from` tells where they came from. Waits until it is durable.

        Args:
            stream: the stream's name; it need not exist.
            positions: of the events, in the order that they shall have.
            expected: the version that the stream must be at, or one of `Expected`.

        Raises:
            ValueError: there are no positions.
            EventNotFound: no event lies at a position. Nothing was linked.
            DuplicateEvent: the stream has one of the events already. Nothing was linked.
            WrongExpectedVersion, StreamDeleted, InvalidStreamName, StoreClosed, StoreReadOnly, StorageFailed: see
                `append`.
        """
        check_stream_name(stream)
        wanted = [int(position) for position in positions]
        if not wanted:
            raise ValueError(f"a link into {stream!r} needs at least one event's position")
        return await self.adapter.link(stream, wanted, expected)

    async def truncate_stream(
        self, stream: str, before: int, *, expected: ExpectedVersion = Expected.ANY
    ) -> StreamInfo:
        """Have all reads of the stream skip the versions below `before`.

        The events stay in the log as a whole, at their positions: they are immutable. A lower `before` than the
        last time brings them back; 1 brings back all.

        Args:
            stream: the stream's name.
            before: the lowest version that can be read from now on; at most one above the last one, which is the
                same as `delete_stream`.
            expected: the version that the stream must be at, or one of `Expected`.

        Raises:
            StreamNotFound: the stream never had an event.
            WrongExpectedVersion, StreamDeleted, StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_lookup(stream)
        return await self.adapter.truncate(stream, before, expected)

    async def delete_stream(self, stream: str, *, expected: ExpectedVersion = Expected.ANY) -> StreamInfo:
        """Make the stream look as if it didn't exist. Can be taken back: `truncate_stream(stream, 1)`.

        The events stay in the log as a whole. An append makes the stream exist again, with the next version;
        what was deleted stays out of sight. Such an append may expect `NO_STREAM`, 0, or the last version.

        Raises:
            StreamNotFound: the stream never had an event.
            WrongExpectedVersion, StreamDeleted, StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_lookup(stream)
        return await self.adapter.truncate(stream, None, expected)

    async def tombstone_stream(self, stream: str, *, expected: ExpectedVersion = Expected.ANY) -> StreamInfo:
        """Delete the stream for ever: nothing can be read from it, and nothing can ever be appended.

        The events stay in the log as a whole. A name that was never used can be closed so too.

        Raises:
            WrongExpectedVersion, StreamDeleted, InvalidStreamName, StoreClosed, StoreReadOnly, StorageFailed: see
                `append`.
        """
        check_stream_name(stream)
        return await self.adapter.tombstone(stream, expected)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot instead of an older one of the same stream and key; one with a higher version stays.

        Raises:
            ValueError: the key holds a NUL character.
            InvalidStreamName, StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_stream_name(snapshot.stream)
        _check_key(snapshot.key)
        await self.adapter.save_snapshot(snapshot)

    async def load_snapshot(self, stream: str, key: str) -> Snapshot | None:
        """The snapshot of this stream and key, or None.

        Raises:
            StoreClosed, StorageFailed: see `page`.
        """
        check_lookup(stream)
        _check_key(key)
        return await self.adapter.load_snapshot(stream, key)

    async def delete_snapshots(self, stream: str, key: str | None = None) -> None:
        """Forget the stream's snapshot of this key, or of all keys. Harmless when there is none.

        Raises:
            StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        check_lookup(stream)
        _check_key(key or "")
        await self.adapter.delete_snapshots(stream, key)


def _check_key(key: str) -> None:
    if NUL in key:
        raise ValueError(f"the key of a snapshot holds a NUL character: {key!r}")
