"""From iterators to producers."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.exits import Reason
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process, current
from headwater.runtime.system import System
from headwater.stages.messages import Subscription
from headwater.stages.producer import Producer
from headwater.stages.stage import deliver
from headwater.stages.steps import Steps

E = TypeVar("E")

Items: TypeAlias = Iterable[E] | AsyncIterable[E] | Callable[[], Iterable[E] | AsyncIterable[E]]
"""Where events come from: something to iterate over, or what makes it. An iterator is used up by one producer; one that
may be restarted needs a function."""

OnCancel = Literal["continue", "stop"]
"""What a producer does when its last consumer has left: wait for the next, or end."""

TOGETHER: Final = 1_000
"""How many items are taken from an async iterator that never waits, before others have their turn."""


async def from_iterable(
    system: System, items: Items[E], *, on_cancel: OnCancel = "continue", name: str | None = None
) -> Pid[IterableProducer[E]]:
    """Start a producer of what an iterable or async iterable gives; see `IterableProducer`.

        numbers = await from_iterable(system, range(1_000_000))
        orders = await from_iterable(system, store.follow("orders"))

    Args:
        system: where it lives.
        items: where the events come from.
        on_cancel: what it does when its last consumer has left.
        name: its name in the system.

    Raises:
        StartFailed: it is no iterable, or `on_cancel` is unknown.
        NameTaken: a living process has the name.
    """
    return await system.start(IterableProducer, items, on_cancel=on_cancel, name=name)


class IterableProducer(Producer[E], Generic[E]):
    """A producer of what an iterable gives. An item is taken when it was asked for, never before.

    When there are no more items and all events have gone to consumers, it ends with `NORMAL`. When the iterator
    raises, it ends with that error; what was taken before has gone to the consumers that had asked for it. An async
    iterator that waits holds nobody up: events go out as they come. When the producer ends, an async iterator is
    closed. A plain iterator runs in the producer, so it must not block.
    """

    def init(self, items: Items[E], on_cancel: OnCancel = "continue") -> None:
        """Begin. Nothing is taken yet."""
        if on_cancel not in ("continue", "stop"):
            raise DefinitionError(f"on_cancel is continue or stop, not {on_cancel!r}")
        self._stops = on_cancel == "stop"
        source = items if isinstance(items, Iterable | AsyncIterable) else items()
        self._items: Iterator[E] | None = None
        self._puller: _Puller[E] | None = None
        if isinstance(source, AsyncIterable):
            self._puller = _Puller(aiter(source), self._cell)
        else:
            self._items = iter(source)

    def handle_demand(self, demand: int) -> Sequence[E]:
        """Take so many items."""
        if self._puller is not None:
            self._puller.pull(demand)
        elif self._items is not None:
            events = list(islice(self._items, demand))
            if len(events) == demand:
                return events
            self._items = None
            self._finish(events)
        return ()

    def handle_cancel(self, subscription: Subscription, reason: Reason) -> None:
        """A consumer has left."""
        if self._stops and not self.consumers():
            self.stop()

    def handle_info(self, message: object) -> object:
        """The end, when all events have gone."""
        if message is not _END:
            return super().handle_info(message)
        self.stop()
        return None

    def _stage_message(self, message: object) -> Steps | None:
        if not isinstance(message, _Pulled) or self._puller is None:
            return super()._stage_message(message)
        events, over = self._puller.take()
        if isinstance(over, Exception):
            self.emit(events)
            raise over
        if over:
            self._finish(events)
        else:
            self.emit(events)
        return None

    def _finish(self, events: list[E]) -> None:
        self.emit(events)
        self.queue_info(_END)


class _Pulled:
    """To a producer from its puller: there is something to take."""

    __slots__ = ()


_PULLED: Final = _Pulled()
_END: Final = object()


class _Puller(Generic[E]):
    """Takes items from an async iterator, as many as were asked for, beside the producer's other work.

    Args:
        items: the iterator.
        cell: the producer's process. When that ends, the iterator is closed.
    """

    def __init__(self, items: AsyncIterator[E], cell: Process) -> None:
        self._items = items
        self._cell = cell
        self._demand = 0
        self._wanted = asyncio.Event()
        self._taken: list[E] = []
        self._over: bool | Exception = False
        self._told = False
        context = contextvars.copy_context()
        context.run(current.set, cell)
        self._task = cell.node.loop.create_task(self._run(), context=context)
        if cell.cleanups is None:
            cell.cleanups = []
        cell.cleanups.append(self._close)

    def pull(self, demand: int) -> None:
        """Take so many items more."""
        self._demand += demand
        self._wanted.set()

    def take(self) -> tuple[list[E], bool | Exception]:
        """What was taken, and whether that was all; or the error that ended it."""
        events, self._taken = self._taken, []
        self._told = False
        return events, self._over

    async def _run(self) -> None:
        try:
            await self._take_all()
        except Exception as error:  # noqa: BLE001 - the producer ends with it
            self._over = error
        else:
            self._over = True
        finally:
            close = getattr(self._items, "aclose", None)
            if close is not None:
                await close()
        self._tell()

    async def _take_all(self) -> None:
        while True:
            while not self._demand:
                self._wanted.clear()
                await self._wanted.wait()
            try:
                item = await anext(self._items)
            except StopAsyncIteration:
                return
            self._taken.append(item)
            self._demand -= 1
            self._tell()
            if len(self._taken) >= TOGETHER:
                await asyncio.sleep(0)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            deliver(Pid(self._cell), _PULLED)

    def _close(self) -> None:
        self._cell.node.detach(self._task, self._cell.label)
