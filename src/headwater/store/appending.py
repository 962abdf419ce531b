"""The facade's writing side: checks, encoding, identifiers, turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from headwater.clock import Clock
from headwater.codec import Codec
from headwater.errors import StoreOverloaded
from headwater.store.adapter import Append, AppendPart, StoreAdapter
from headwater.store.base import StoreBase
from headwater.store.encoding import NOWHERE, EventEncoder, make_context
from headwater.store.model import Appended, Context, Expected, ExpectedVersion, NewEvent
from headwater.store.naming import check_stream_name, check_tags
from headwater.store.observed_append import APPEND, observe
from headwater.store.query import AppendCondition
from headwater.store.sealing import SealingQueue
from headwater.telemetry import Telemetry


class StreamAppend(msgspec.Struct, frozen=True):
    """What an append to several streams adds to one of them; see `EventStore.append_streams`.

    Attributes:
        stream: the stream's name.
        events: at least one, of classes that the codec knows.
        expected: the version that the stream must be at, or one of `Expected`.
        ids: identifiers for the events, as many as there are events, to make the append idempotent.
    """

    stream: str
    events: Sequence[object]
    expected: ExpectedVersion = Expected.ANY
    ids: Sequence[UUID] | None = None


class AppendingStore(StoreBase):
    """Appends. See `EventStore`."""

    def __init__(
        self,
        adapter: StoreAdapter,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(adapter, codec, clock=clock, telemetry=telemetry)
        self._turn: Final = asyncio.Lock()
        self._encoder: Final = EventEncoder(codec, self._ids)
        self._outlet: Final = SealingQueue(adapter, self.vault)
        self._in_line = 0

    async def append(
        self,
        stream: str,
        events: Sequence[object],
        *,
        expected: ExpectedVersion = Expected.ANY,
        condition: AppendCondition | None = None,
        tags: Iterable[str] = (),
        ids: Sequence[UUID] | None = None,
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
            events: at least one, of classes that the codec knows; as many as you like.
            expected: the version that the stream must be at, or one of `Expected`.
            condition: what must hold of the log besides.
            tags: what the events can be found by, besides the tags that their classes give them.
            ids: identifiers for the events, as many as there are events; made up if not given. They make the append
                idempotent: if the log has this very append already, it is answered as it was the first time and
                nothing is appended, whatever it expects. So it can be repeated after an answer was lost.
            causation: the identifier of the command or event that caused these.
            correlation: the identifier shared by everything that one outside cause led to.
            metadata: whatever else shall be kept beside each of the events; must fit into JSON.

        Returns:
            Where the events lie.

        Raises:
            WrongExpectedVersion: the stream is at another version. Nothing was appended.
            ConditionFailed: an event that the condition excludes is in the log. Nothing was appended.
            DuplicateEvent: one of the ids is in the log, and not by this very append. Nothing was appended.
            StreamDeleted: the stream was closed for ever.
            InvalidStreamName, InvalidTag: the stream or a tag may not be called so.
            UnknownType: the codec doesn't know the class of an event.
            CodecError: an event or the metadata doesn't fit into JSON.
            MasterKeyMissing, WrongMasterKey: an event has personal fields, and the store was opened without the key.
            SubjectForgotten: they are about somebody who was forgotten.
            ValueError: there are no events, or not as many ids as events.
            StoreClosed: the store is closed.
            StoreReadOnly: the store was opened for reading only.
            OutcomeUnknown: the connection was lost; the append may have been committed.
            StorageFailed, StorageFull: the storage refused. Nothing was appended.
        """
        with self.telemetry.span(APPEND, stream=stream, events=len(events)) as span:
            context = make_context(causation, correlation, metadata)
            part = AppendPart(stream, expected, self._encode(stream, events, check_tags(tags) if tags else (), ids))
            append = Append((part,), context, self._condition_as_stored(condition), idempotent=ids is not None)
            if not self._submitted(append):
                await self._submit_in_turn(append)
            appended = await append.answer
            span.set(position=appended.position, version=appended.version)
            return appended

    async def append_streams(
        self,
        parts: Sequence[StreamAppend],
        *,
        condition: AppendCondition | None = None,
        tags: Iterable[str] = (),
        causation: UUID | None = None,
        correlation: UUID | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Appended:
        """Append to several streams, all or nothing, and wait until everything is durable.

            await store.append_streams([
                StreamAppend("account-1", [Withdrawn(50)], expected=7),
                StreamAppend("account-2", [Deposited(50)], expected=3),
            ])

        The events lie next to each other in the log, part by part. Either all parts have `ids` or none has.

        Args:
            parts: what to add to which stream; no stream twice.
            condition: see `append`.
            tags: see `append`; they go for all parts, as do the following.
            causation: see `append`.
            correlation: see `append`.
            metadata: see `append`.

        Returns:
            Where the events lie; `Appended.version_of(stream)` tells the version of each stream.

        Raises:
            ValueError: there are no parts, a stream is named twice, a part has no events, or there are not as many
                ids as events.
            WrongExpectedVersion, …: see `append`; the first part that doesn't fit is named.
        """
        count = sum(len(part.events) for part in parts)
        with self.telemetry.span(APPEND, stream=parts[0].stream if parts else None, events=count) as span:
            context = make_context(causation, correlation, metadata)
            append = self._prepare_parts(parts, context, condition, check_tags(tags))
            if not self._submitted(append):
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
        context: Context = NOWHERE,
        follows: Append | None = None,
        condition: AppendCondition | None = None,
        ids: Sequence[UUID] | None = None,
    ) -> Append:
        """Queue an append and return at once; its `answer` is a future that ends like `append` does.

        Appends take effect, and are answered, in the order in which they were submitted.

        Args:
            stream: the stream's name.
            events: at least one, of classes that the codec knows.
            expected: the version that the stream must be at, or one of `Expected`.
            context: stored beside each event; see `make_context`.
            follows: an append which this one was decided upon. If that one failed, this one fails with
                `PipelineBroken`, even if the version would fit by accident.
            condition: what must hold of the log besides.
            ids: identifiers for the events, as many as there are events; made up if not given. Otherwise than with
                `append`, one that the log has already is an error in any case; see `EventStore.holds`.

        Raises:
            InvalidStreamName, InvalidTag, UnknownType, CodecError, ValueError, StoreClosed, StoreReadOnly: see
                `append`.
            StoreOverloaded: as many appends wait as the backend may queue. Nothing was queued.
        """
        part = AppendPart(stream, expected, self._encode(stream, events, (), ids))
        append = Append((part,), context, self._condition_as_stored(condition), follows)
        self._outlet.submit(append)
        if self.telemetry.listening:
            observe(self.telemetry, append, stream, len(events))
        return append

    def submit_streams(
        self,
        parts: Sequence[StreamAppend],
        *,
        context: Context = NOWHERE,
        condition: AppendCondition | None = None,
    ) -> Append:
        """Queue an append to several streams and return at once; its `answer` ends like `append_streams` does.

        Args:
            parts: what to add to which stream; no stream twice.
            context: stored beside each event; see `make_context`.
            condition: what must hold of the log besides.

        Raises:
            InvalidStreamName, …, StoreOverloaded: see `submit`.
        """
        append = self._prepare_parts(parts, context, condition, ())
        self._outlet.submit(append)
        if self.telemetry.listening:
            observe(self.telemetry, append, parts[0].stream, sum(len(part.events) for part in parts))
        return append

    def _prepare_parts(
        self,
        parts: Sequence[StreamAppend],
        context: Context,
        condition: AppendCondition | None,
        tags: tuple[str, ...],
    ) -> Append:
        if not parts:
            raise ValueError("an append to several streams needs at least one part")
        names = [part.stream for part in parts]
        if len(set(names)) < len(names):
            raise ValueError(f"each stream may be named once in an append, not {names}")
        idempotent = {part.ids is not None for part in parts}
        if len(idempotent) > 1:
            raise ValueError("either all parts of an append have ids, or none has")
        encoded = [
            AppendPart(part.stream, part.expected, self._encode(part.stream, part.events, tags, part.ids))
            for part in parts
        ]
        return Append(
            encoded,
            context,
            condition=self._condition_as_stored(condition),
            idempotent=idempotent.pop(),
        )

    def _encode(
        self, stream: str, events: Sequence[object], tags: tuple[str, ...], ids: Sequence[UUID] | None
    ) -> list[NewEvent]:
        check_stream_name(stream)
        return self._encoder.encode(stream, events, tags, ids)

    def _submitted(self, append: Append) -> bool:
        """Queue the append, if nobody waits for room and there is some."""
        if self._in_line:
            return False
        try:
            self._outlet.submit(append)
        except StoreOverloaded:
            return False
        return True

    async def _submit_in_turn(self, append: Append) -> None:
        """Queue the append, behind all that had to wait for room before it."""
        self._in_line += 1
        try:
            async with self._turn:  # first come, first served; so only one waits for room at a time
                await self._submit_with_room(append)
        finally:
            self._in_line -= 1

    async def _submit_with_room(self, append: Append) -> None:
        while True:
            await self._outlet.room()
            try:
                self._outlet.submit(append)
            except StoreOverloaded:
                continue  # `submit` of somebody else took the room: wait for more
            return
