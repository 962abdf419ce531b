"""How code that is no process receives messages: `async with`, `async for`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType


class Subscription:
    """The messages of one topic, in the order in which they were broadcast, for one reader.

        async with pubsub.subscription("trades") as messages:
            async for message in messages:
                ...

    Messages wait in a bounded queue. When the reader is too slow, the oldest are dropped and counted.

    Attributes:
        dropped: how many messages were dropped so far.
    """

    def __init__(self, subscribe: Callable[[Subscription], Callable[[], None]], capacity: int) -> None:
        self.dropped = 0
        self._subscribe = subscribe
        self._unsubscribe: Callable[[], None] | None = None
        self._messages: deque[object] = deque()
        self._capacity = capacity
        self._arrived = asyncio.Event()

    def receive(self, message: object) -> None:
        """Queue a message; drop the oldest if there is no room."""
        if len(self._messages) >= self._capacity:
            self._messages.popleft()
            self.dropped += 1
        self._messages.append(message)
        self._arrived.set()

    async def __aenter__(self) -> Subscription:
        self._unsubscribe = self._subscribe(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> object:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()
