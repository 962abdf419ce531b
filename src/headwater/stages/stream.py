"""From producers to an async iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, TypeVar, Unpack, cast

from headwater.errors import ProcessDown, ProducerDown, SubscriptionRefused
from headwater.runtime.exits import Exit, Reason, describe, is_abnormal
from headwater.runtime.pid import Pid
from headwater.runtime.spawn import spawn
from headwater.stages.emitter import Emitter
from headwater.stages.inflow import Source
from headwater.stages.messages import Cancelled
from headwater.stages.options import Terms
from headwater.stages.receiver import Receiver
from headwater.stages.steps import Steps
from headwater.stages.subscribing import subscribe

E = TypeVar("E")


def stream(*producers: Pid[Emitter[E]], **terms: Unpack[Terms[E]]) -> Stream[E]:
    """The events of producers, for code that is no stage; see `Stream`.

        async with stream(numbers, max_demand=100) as events:
            async for number in events:
                print(number)

    Args:
        producers: at least one; all in the same system.
        terms: on what terms to subscribe; see `SubscribeOptions`. `cancel` and `mode` have no meaning here.

    Raises:
        SubscriptionRefused: there is no producer.
    """
    return Stream(producers, terms)


class Stream(Generic[E]):
    """The events of producers as an async iterator, for one reader at a time. Made by `stream`.

    It subscribes on entering, with the errors of `subscribe`, and cancels on leaving. It holds at most `max_demand`
    events of each producer, and asks for more as they are read; those that were not read on leaving are lost.

    It ends when all producers have ended in good order, or have cancelled. When one has ended badly, it raises
    `ProducerDown` after the events that came before.
    """

    def __init__(self, producers: tuple[Pid[Emitter[E]], ...], terms: Terms[E]) -> None:
        if not producers:
            raise SubscriptionRefused("a stream needs at least one producer")
        self._producers = producers
        self._terms = terms
        self._inbox: _Inbox[E] = _Inbox()
        self._pid: Pid[_Reader[E]] | None = None

    async def __aenter__(self) -> AsyncIterator[E]:
        node = self._producers[0].process.node
        process = await spawn(node, _Reader, (self._inbox,), {})
        self._pid = pid = cast("Pid[_Reader[E]]", Pid(process))
        self._inbox.open = len(self._producers)
        pid.watch(self._inbox.die)
        terms: Terms[E] = {**self._terms, "cancel": "temporary", "mode": "automatic"}
        try:
            for producer in self._producers:
                await subscribe(pid, producer, **terms)
        except BaseException:
            pid.exit(Exit.SHUTDOWN)
            raise
        return self._read()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid is not None:
            self._pid.exit(Exit.SHUTDOWN)

    async def _read(self) -> AsyncIterator[E]:
        inbox = self._inbox
        while True:
            if inbox.waiting:
                source, events = inbox.waiting.popleft()
                start = 0
                while start < len(events):
                    batch = source.batch(events, start)
                    for event in batch:
                        yield event
                    source.handled(len(batch))
                    start += len(batch)
            elif inbox.error is not None:
                raise inbox.error
            elif inbox.open:
                await inbox.wait()
            else:
                return


class _Inbox(Generic[E]):
    """What has come and was not read.

    Attributes:
        waiting: the events, and whose they are.
        open: how many subscriptions have not ended.
        error: what ended them badly.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[Source[E], list[E]]] = deque()
        self.open = 0
        self.error: Exception | None = None
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Wait until something has come or ended."""
        self._changed.clear()
        await self._changed.wait()

    def put(self, source: Source[E], events: list[E]) -> None:
        """Events have come."""
        self.waiting.append((source, events))
        self._changed.set()

    def end(self, producer: Pid[object], reason: Reason) -> None:
        """A subscription has ended."""
        self.open -= 1
        if is_abnormal(reason) and self.error is None:
            self.error = ProducerDown(f"{producer.label} has ended ({describe(reason)})", reason=reason)
        self._changed.set()

    def die(self, reason: Reason) -> None:
        """The reader has ended."""
        if self.error is None:
            self.error = ProcessDown(f"the stream has ended ({describe(reason)})", reason=reason)
        self._changed.set()


class _Reader(Receiver[E], Generic[E]):
    """The stage of a stream."""

    def init(self, inbox: _Inbox[E]) -> None:
        """Begin."""
        self._inbox = inbox

    def _stage_events(self, source: Source[E], events: list[E]) -> None:
        self._inbox.put(source, events)

    def _stage_end(self, message: Cancelled) -> Steps:
        self._inbox.end(message.subscription.producer, message.reason)
        return self._stage_inflow.close(message)
