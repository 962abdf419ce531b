"""How code that is no process receives messages: `async with`, `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar, cast

from headwater.errors import NotSubscribed, SubscriberTooSlow
from headwater.pubsub.buffer import Buffer

Message_co = TypeVar("Message_co", covariant=True)


class Subscription(Generic[Message_co]):
    """The messages of one topic, in the order in which they were broadcast, for one reader.

        async with pubsub.subscription("trades", of=Trade) as trades:
            async for trade in trades:
                ...

    Made by `PubSub.subscription`. It is subscribed from the moment the block is entered to its end. Messages wait in a
    bounded buffer; what happens when the reader is too slow was said when it was made. Waiting for a message may be
    cancelled without loss. When the PubSub is stopped, the reader gets what waits, and then the loop ends.

    A subscription belongs to one event loop; messages come from the same.
    """

    def __init__(
        self, of: type, buffer: Buffer, subscribe: Callable[[Subscription[object]], Callable[[], None]]
    ) -> None:
        self._of = of
        self._buffer = buffer
        self._subscribe = subscribe
        self._unsubscribe: Callable[[], None] | None = None
        self._error: Exception | None = None
        self._entered = False
        self._arrived = asyncio.Event()

    @property
    def topic(self) -> str:
        """The topic."""
        return self._buffer.topic

    @property
    def dropped(self) -> int:
        """How many messages were dropped so far, because the reader was too slow."""
        return self._buffer.dropped

    @property
    def coalesced(self) -> int:
        """How many messages were replaced by a newer one with the same key so far, before they were read."""
        return self._buffer.coalesced

    @property
    def waiting(self) -> int:
        """How many messages wait for the reader."""
        return len(self._buffer)

    def send(self, message: object) -> None:
        """Take a message. For whoever dispatches. Ignored when it is not of this subscription's class, or late."""
        if self._unsubscribe is None or not isinstance(message, self._of):
            return
        try:
            fits = self._buffer.offer(message)
        except Exception as error:  # noqa: BLE001 - `coalesce` is the reader's: the error is not the broadcaster's
            self.end(error)
            return
        if not fits:
            self.end(SubscriberTooSlow(self.topic, self._buffer.capacity))
        self._arrived.set()

    def end(self, error: Exception | None = None) -> None:
        """Take no more messages. The reader gets what waits, then the error, or the end of its loop."""
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()
            self._error = error
            self._arrived.set()

    async def __aenter__(self) -> Subscription[Message_co]:
        if self._entered:
            raise NotSubscribed(f"the subscription to {self.topic!r} is entered already; ask for another one")
        self._unsubscribe = self._subscribe(self)
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._buffer.clear()
        self._entered = False
        self._error = None

    def __aiter__(self) -> Subscription[Message_co]:
        return self

    async def __anext__(self) -> Message_co:
        if not self._entered:
            raise NotSubscribed(f"the subscription to {self.topic!r} is read outside of its `async with`")
        while not self._buffer:
            if self._unsubscribe is None:
                raise self._error or StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return cast("Message_co", self._buffer.take())
