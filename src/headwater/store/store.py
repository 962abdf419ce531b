"""The facade of the event store: checks, encoding, identifiers, pages and spans."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.codec import Codec, TypeName
from headwater.errors import CodecError, InvalidStreamName, StoreClosed, StoreOverloaded, Undecodable
from headwater.store.adapter import Append, StoreAdapter
from headwater.store.model import (
    Appended,
    Context,
    Expected,
    ExpectedVersion,
    NewEvent,
    Recorded,
    StoredEvent,
    StreamInfo,
)
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.url import sqlite_path
from headwater.telemetry import SpanName, Telemetry
from headwater.types import IdSource, Position

APPEND: Final = SpanName("headwater", "store", "append")
"""One `append`, from the call to its answer. Metadata: stream, events; at the end also position and version."""
READ: Final = SpanName("headwater", "store", "read")
"""One page read. Metadata: stream (None for the whole log), after, limit; at the end also events."""

PAGE: Final = 1_000
"""How many events a page has, unless said otherwise."""

_LONGEST_NAME: Final = 255
_FORBIDDEN: Final = frozenset({"Cc", "Cs"})
_NOWHERE: Final = Context()

_ReadPage = Callable[[int, int], Awaitable[list[StoredEvent]]]


class EventStore:
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

    def __init__(
        self,
        adapter: StoreAdapter,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.adapter: Final = adapter
        self.codec: Final = codec
        self.telemetry: Final = telemetry or Telemetry(clock)
        self._loop: Final = asyncio.get_running_loop()
        self._ids: Final = IdSource(clock.wall)
        self._type_names: Final[dict[tuple[str, int], TypeName]] = {}
        self._followers: Final[set[asyncio.Event]] = set()
        self._turn: Final = asyncio.Lock()
        self._in_line = 0
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        read_only: bool = False,
        create: bool = True,
    ) -> Self:
        """Open the store that a URL names.

        Args:
            url: `sqlite:///relative.db` or `sqlite:////absolute/path.db`.
            codec: knows the classes of all events.
            clock: for event identifiers and for the time at which events are recorded; the system's by default.
            telemetry: who wants to know; nobody by default.
            read_only: don't write. Works beside a process that writes, and when there is none.
            create: make the store if there is none. Has no effect with `read_only`.

        Raises:
            NotAStore: the URL has another form, or names something else, or nothing and it shall not be made.
                Nothing was touched.
            NewerSchema: the store was written by a newer Headwater. Nothing was touched.
            StoreLocked: another process, or another store in this one, writes to it. The message names it.
            StorageFailed: the directory is missing or cannot be written to, or the storage refused.
        """
        adapter = await SqliteAdapter.open(sqlite_path(url), clock=clock, read_only=read_only, create=create)
        return cls(adapter, codec, clock=clock, telemetry=telemetry)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Answer the appends that are queued, end all followers, release everything. Harmless when closed already."""
        self._closed = True
        for bell in self._followers:
            bell.set()
        await self.adapter.close()

    @property
    def durability(self) -> str:
        """`full`: an append is answered when it is on the disk."""
        return self.adapter.durability

    @property
    def location(self) -> str:
        """Where the events lie, for people: a file or a URL without secrets."""
        return self.adapter.location

    # --- writing -----------------------------------------------------------------------------------------------

    async def append(
        self,
        stream: str,
        events: Sequence[object],
        *,
        expected: ExpectedVersion = Expected.ANY,
        causation: UUID | None = None,
        correlation: UUID | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Appended:
        """Append events to a stream, all or none, and wait until they are durable.

        Appends take effect in the order of their calls. When as many wait as the backend may queue, this one
        waits for its turn. A caller that is cancelled doesn't take its append back: once it is queued it may still
        be committed.

        Args:
            stream: the stream's name: 1 to 255 characters, no control characters. It need not exist.
            events: at least one, of classes that the codec knows.
            expected: the version that the stream must be at, or one of `Expected`.
            causation: the identifier of the command or event that caused these.
            correlation: the identifier shared by everything that one outside cause led to.
            metadata: whatever else shall be kept beside each of the events; must fit into JSON.

        Returns:
            Where the events lie.

        Raises:
            WrongExpectedVersion: the stream is at another version. Nothing was appended.
            InvalidStreamName: the name is none.
            UnknownType: the codec doesn't know the class of an event.
            CodecError: an event or the metadata doesn't fit into JSON.
            ValueError: there are no events.
            StoreClosed: the store is closed.
            StoreReadOnly: the store was opened for reading only.
            StorageFailed, StorageFull: the storage refused. Nothing was appended.
        """
        with self.telemetry.span(APPEND, stream=stream, events=len(events)) as span:
            context = _NOWHERE
            if causation is not None or correlation is not None or metadata is not None:
                context = make_context(causation, correlation, metadata)
            append = self._prepare(stream, events, expected, context, None)
            await self._submit_in_turn(append)
            appended = await append.answer
            span.set(position=appended.position, version=appended.version)
            return appended

    def submit(
        self,
        stream: str,
        events: Sequence[object],
        *,
        expected: ExpectedVersion = Expected.ANY,
        context: Context = _NOWHERE,
        follows: Append | None = None,
    ) -> Append:
        """Queue an append and return at once; its `answer` is a future that ends like `append` does.

        Appends take effect, and are answered, in the order in which they were submitted.

        Args:
            stream: see `append`.
            events: see `append`.
            expected: see `append`.
            context: stored beside each of the events.
            follows: an earlier append which this one was decided upon. If that one fails, this one fails with
                `PipelineBroken`.

        Raises:
            StoreOverloaded: as many appends wait as the backend may queue. Nothing was queued.
            InvalidStreamName, UnknownType, CodecError, ValueError, StoreClosed: see `append`. Nothing was queued.
        """
        append = self._prepare(stream, events, expected, context, follows)
        self.adapter.submit(append)
        return append

    def _prepare(
        self,
        stream: str,
        events: Sequence[object],
        expected: ExpectedVersion,
        context: Context,
        follows: Append | None,
    ) -> Append:
        if not stream.isprintable() or not 0 < len(stream) <= _LONGEST_NAME:
            check_stream_name(stream)
        if not events:
            raise ValueError(f"an append to {stream!r} needs at least one event")
        encode = self.codec.encode
        new_id = self._ids.next_int
        encoded = []
        for event in events:
            (name, schema), data = encode(event)
            encoded.append(NewEvent(name, schema, data, new_id().to_bytes(16)))
        return Append(stream, expected, encoded, context, follows, self._loop.create_future())

    async def _submit_in_turn(self, append: Append) -> None:
        """Queue the append, behind all that had to wait for room before it."""
        if not self._in_line:
            try:
                self.adapter.submit(append)
            except StoreOverloaded:
                pass
            else:
                return
        self._in_line += 1
        try:
            async with self._turn:  # first come, first served; so only one waits for room at a time
                await self._submit_with_room(append)
        finally:
            self._in_line -= 1

    async def _submit_with_room(self, append: Append) -> None:
        while True:
            await self.adapter.room()
            try:
                self.adapter.submit(append)
            except StoreOverloaded:
                continue  # `submit` of somebody else took the room: wait for more
            return

    # --- reading -----------------------------------------------------------------------------------------------

    def read_all(self, after: int = 0, limit: int | None = None) -> AsyncGenerator[Recorded, None]:
        """The events above a position, decoded, in order. Ends at the end of the log; see `follow` for going on.

        Reads a page of 1,000 at a time, and the next one while the last one is worked on: two pages are in memory.
        Whether it meets events that are appended meanwhile depends on when it gets there. Who leaves early should
        close it: `async with contextlib.aclosing(store.read_all()) as events`.

        Args:
            after: a position; 0 for the beginning.
            limit: how many at most; all by default.

        Raises:
            UnknownType: nothing is registered for an event's type.
            Undecodable: an event doesn't fit its class. `position` tells which.
            StoreClosed: the store is closed, or was closed in between.
            StorageFailed: the storage could not be read.
        """
        return self._decoded(self.pages_all(after, limit))

    def read_stream(self, stream: str, after: int = 0, limit: int | None = None) -> AsyncGenerator[Recorded, None]:
        """The events of a stream above a version, decoded, in order. A stream that doesn't exist has none.

        Args:
            stream: the stream's name.
            after: a version; 0 for the beginning.
            limit: how many at most; all by default.

        Raises:
            UnknownType, Undecodable, StoreClosed, StorageFailed: see `read_all`.
        """
        return self._decoded(self.pages_stream(stream, after, limit))

    def raw_all(self, after: int = 0, limit: int | None = None) -> AsyncGenerator[StoredEvent, None]:
        """Like `read_all`, as the events lie in the log."""
        return _each(self.pages_all(after, limit))

    def raw_stream(self, stream: str, after: int = 0, limit: int | None = None) -> AsyncGenerator[StoredEvent, None]:
        """Like `read_stream`, as the events lie in the log."""
        return _each(self.pages_stream(stream, after, limit))

    def pages_all(self, after: int = 0, limit: int | None = None) -> AsyncGenerator[list[StoredEvent], None]:
        """Like `raw_all`, page by page. No page is empty."""
        return _pages(self.page_all, _position, after, limit)

    def pages_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> AsyncGenerator[list[StoredEvent], None]:
        """Like `raw_stream`, page by page. No page is empty."""

        async def read(after: int, limit: int) -> list[StoredEvent]:
            return await self.page_stream(stream, after, limit)

        return _pages(read, _version, after, limit)

    async def page_all(self, after: int = 0, limit: int = PAGE) -> list[StoredEvent]:
        """The next events above position `after`, at most `limit`, in order; none at the end of the log.

        Raises:
            StoreClosed: the store is closed.
            StorageFailed: the storage could not be read.
        """
        with self.telemetry.span(READ, stream=None, after=after, limit=limit) as span:
            page = await self.adapter.read_all(after, limit)
            span.set(events=len(page))
            return page

    async def page_stream(self, stream: str, after: int = 0, limit: int = PAGE) -> list[StoredEvent]:
        """The next events of a stream above version `after`, at most `limit`, in order; none at its end.

        Raises:
            StoreClosed: the store is closed.
            StorageFailed: the storage could not be read.
        """
        with self.telemetry.span(READ, stream=stream, after=after, limit=limit) as span:
            page = await self.adapter.read_stream(stream, after, limit)
            span.set(events=len(page))
            return page

    async def last(self, stream: str) -> StoredEvent | None:
        """The stream's last event, or None when it has none.

        Raises:
            StoreClosed, StorageFailed: see `page_all`.
        """
        return await self.adapter.read_last(stream)

    async def head(self) -> Position:
        """The highest position now; 0 for an empty log.

        Raises:
            StoreClosed, StorageFailed: see `page_all`.
        """
        return Position(await self.adapter.head())

    async def streams(self, after: str = "") -> AsyncGenerator[StreamInfo, None]:
        """The streams above a name, in the order of their names' UTF-8 bytes.

        Raises:
            StoreClosed, StorageFailed: see `page_all`.
        """
        while page := await self.adapter.streams(after, PAGE):
            for info in page:
                yield info
            after = page[-1].name

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known about a stream without reading it, or None when it doesn't exist.

        Raises:
            StoreClosed, StorageFailed: see `page_all`.
        """
        last = await self.adapter.read_last(name)
        if last is None:
            return None
        [first] = await self.adapter.read_stream(name, 0, 1)
        return StreamInfo(name, Recorded(None, last).version, Position(first.position), Position(last.position))

    def decode(self, stored: StoredEvent) -> object:
        """The event itself.

        Raises:
            UnknownType: nothing is registered for its type.
            Undecodable: it doesn't fit its class. `position` tells which event it is.
        """
        kind = (stored.type, stored.schema)
        name = self._type_names.get(kind)
        if name is None:
            name = self._type_names.setdefault(kind, TypeName(*kind))
        try:
            return self.codec.decode(name, stored.data)
        except Undecodable as error:
            raise Undecodable(
                f"position {stored.position}, stream {stored.stream!r}, version {stored.version}: {error}",
                name=error.name,
                position=stored.position,
            ) from error

    async def _decoded(self, pages: AsyncGenerator[list[StoredEvent], None]) -> AsyncGenerator[Recorded, None]:
        decode = self.decode
        async with aclosing(pages):
            async for page in pages:
                for stored in page:
                    yield Recorded(decode(stored), stored)

    # --- following ---------------------------------------------------------------------------------------------

    async def follow(self, after: int = 0, stream: str | None = None) -> AsyncGenerator[list[StoredEvent], None]:
        """The events above a position, then those to come, page by page, as they lie in the log.

        Old events and new ones take the same path: read the page after the own position, and when there is none
        wait for a wake-up. Each event comes once, in order, none is left out. No page is empty. Ends when the
        store is closed. Who leaves earlier should close it, or it watches until it is garbage:
        `async with contextlib.aclosing(store.follow()) as pages`.

        Args:
            after: a position, or with `stream` a version; 0 for the beginning.
            stream: only the events of this stream.

        Raises:
            StoreClosed: the store is closed already.
            StorageFailed: the storage could not be read.
        """
        bell = asyncio.Event()
        unwatch = self.adapter.watch(bell.set)
        self._followers.add(bell)
        try:
            while not self._closed:
                bell.clear()  # before the read: what is committed after it rings again
                page = await self._page_unless_closed(stream, after)
                if page:
                    after = page[-1].position if stream is None else page[-1].version
                    yield page
                elif not self._closed:
                    await bell.wait()
        finally:
            self._followers.discard(bell)
            unwatch()

    def follow_events(self, after: int = 0, stream: str | None = None) -> AsyncGenerator[Recorded, None]:
        """Like `follow`, event by event and decoded.

        Raises:
            UnknownType, Undecodable: see `decode`.
            StoreClosed, StorageFailed: see `follow`.
        """
        return self._decoded(self.follow(after, stream))

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the event loop soon after new events have become visible. Returns what ends it.

        A wake-up carries no data and may come late, early or once for many appends; it is never missed. Watch
        before you read: what is committed after the read then rings.

        Raises:
            StoreClosed: the store is closed.
        """
        return self.adapter.watch(wake)

    async def _page_unless_closed(self, stream: str | None, after: int) -> list[StoredEvent]:
        try:
            return await (self.page_all(after) if stream is None else self.page_stream(stream, after))
        except StoreClosed:
            if self._closed:
                return []
            raise


def make_context(
    causation: UUID | None = None, correlation: UUID | None = None, metadata: Mapping[str, object] | None = None
) -> Context:
    """What `EventStore.submit` stores beside events, from its parts.

    Raises:
        CodecError: the metadata doesn't fit into JSON.
    """
    try:
        encoded = None if metadata is None else msgspec.json.encode(metadata)
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"the metadata could not be encoded: {error}") from error
    return Context(
        None if causation is None else causation.bytes, None if correlation is None else correlation.bytes, encoded
    )


def check_stream_name(name: str) -> None:
    """Make sure that a stream may be called so: 1 to 255 characters, none of them a control character.

    Raises:
        InvalidStreamName: it may not.
    """
    if not name:
        raise InvalidStreamName("a stream's name is empty")
    if len(name) > _LONGEST_NAME:
        raise InvalidStreamName(f"a stream's name has {len(name)} characters, {_LONGEST_NAME} are allowed: {name!r}")
    for character in name:
        if unicodedata.category(character) in _FORBIDDEN:
            raise InvalidStreamName(f"a stream's name holds {character!r}, which is no printable character: {name!r}")


async def _pages(
    read: _ReadPage, place: Callable[[StoredEvent], int], after: int, limit: int | None
) -> AsyncGenerator[list[StoredEvent], None]:
    """Page after page, up to one that isn't full. The next one is read while the last one is worked on."""
    wanted = _wanted(limit)
    page = await read(after, wanted)
    while page:
        limit = None if limit is None else limit - len(page)
        full, wanted = len(page) == wanted, _wanted(limit)
        coming = asyncio.ensure_future(read(place(page[-1]), wanted)) if full and wanted else None
        try:
            yield page
            page = [] if coming is None else await coming
        finally:
            if coming is not None:
                _abandon(coming)


def _wanted(limit: int | None) -> int:
    return PAGE if limit is None else max(0, min(PAGE, limit))


def _abandon(task: asyncio.Future[list[StoredEvent]]) -> None:
    """Nobody wants to know the outcome any more, an error neither."""
    if not task.cancel() and not task.cancelled():
        task.exception()


async def _each(pages: AsyncGenerator[list[StoredEvent], None]) -> AsyncGenerator[StoredEvent, None]:
    async with aclosing(pages):
        async for page in pages:
            for stored in page:
                yield stored


def _position(event: StoredEvent) -> int:
    return event.position


def _version(event: StoredEvent) -> int:
    return event.version
