"""What the writer does besides appends, in the same queue, in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from headwater.errors import StoreError
from headwater.store.adapter import settle
from headwater.store.expectation import unmet
from headwater.store.model import ExpectedVersion
from headwater.store.postgres.catalogue import NO_STREAM, Head, StreamState
from headwater.store.postgres.connection import Connection

T = TypeVar("T")


class Scope:
    """What a change works in: a transaction that holds the log's lock.

    Args:
        connection: the writer's.
        schema: the schema's quoted name.
        head: the log's head.
        streams: the streams that were asked for, as far as they exist.
    """

    def __init__(self, connection: Connection, schema: str, head: Head, streams: dict[str, StreamState]) -> None:
        self.connection = connection
        self.schema = schema
        self.head = head
        self.streams = streams
        self.highest_stream = head.streams

    def stream(self, name: str) -> StreamState:
        """A stream as it is; number 0 when it doesn't exist."""
        return self.streams.get(name, NO_STREAM)

    def check(self, name: str, expected: ExpectedVersion) -> StoreError | None:
        """Why a stream may not be changed, if it may not."""
        state = self.stream(name)
        return unmet(name, expected, state.version, state.first, tombstoned=state.tombstoned)

    async def ensure_stream(self, name: str) -> StreamState:
        """A stream that is about to be changed; it gets a number if it has none."""
        if name not in self.streams:
            self.highest_stream += 1
            insert = f"INSERT INTO {self.schema}.streams (id, name) VALUES ($1, $2)"  # noqa: S608 - a checked name
            await self.connection.execute(insert, self.highest_stream, name)
            self.streams[name] = StreamState(self.highest_stream, 0)
        return self.streams[name]


class Task(Generic[T]):
    """A change that is no append, of a stream or of whatever else must be in order with appends.

    Args:
        run: changes something. It raises a `StoreError` only before it has changed anything.
        streams: the streams that it will ask for.
        answer: resolved with what `run` returned, once that is durable, or with its error.
    """

    __slots__ = ("answer", "run", "streams")

    def __init__(self, run: Callable[[Scope], Awaitable[T]], streams: Sequence[str], answer: asyncio.Future[T]) -> None:
        self.run = run
        self.streams = streams
        self.answer = answer

    def resolve(self, outcome: object) -> None:
        """Answer it, unless its caller was cancelled: with what `run` returned, or an error."""
        settle(self.answer, outcome)
