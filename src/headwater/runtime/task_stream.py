"""TaskStream: one task for each item, some at a time, their results as they are asked for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from functools import partial
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from headwater.clock import Timer
from headwater.errors import DeadlineExceeded, DefinitionError
from headwater.runtime.node import Node
from headwater.runtime.task import Task
from headwater.runtime.task_outcome import Ended, Returned

Item = TypeVar("Item")
Result = TypeVar("Result")

StreamTimeout: TypeAlias = Literal["exit", "kill_task"]
"""What becomes of a stream in which a task takes too long: `exit` ends the stream with `DeadlineExceeded`, `kill_task`
gives `Ended` for that item and goes on. The task is ended either way."""

STREAM_TIMEOUTS: Final = ("exit", "kill_task")


class TaskStream(Generic[Item, Result]):
    """Tasks over items. At most so many are started and not yet taken. Used by `Tasks`.

    Args:
        node: the surroundings.
        start: starts the task of one item.
        items: taken one by one, when a task can be started.
        concurrency: how many tasks at a time.
        ordered: whether results come in the order of the items.
        timeout: seconds that each task may run; None for any time.
        on_timeout: what happens then.

    Raises:
        DefinitionError: a concurrency below 1, a time that isn't positive, or no such `on_timeout`.
    """

    def __init__(
        self,
        node: Node,
        start: Callable[[Item], Coroutine[object, object, Task[Result]]],
        items: Iterable[Item],
        *,
        concurrency: int,
        ordered: bool,
        timeout: float | None,
        on_timeout: StreamTimeout,
    ) -> None:
        if concurrency < 1:
            raise DefinitionError(f"max_concurrency is at least 1, not {concurrency}")
        if timeout is not None and not timeout > 0:
            raise DefinitionError(f"timeout is a positive number of seconds, or None for ever, not {timeout}")
        if on_timeout not in STREAM_TIMEOUTS:
            raise DefinitionError(f"on_timeout is one of {', '.join(STREAM_TIMEOUTS)}, not {on_timeout!r}")
        self._node = node
        self._start = start
        self._items = iter(items)
        self._concurrency = concurrency
        self._ordered = ordered
        self._timeout = timeout
        self._on_timeout = on_timeout
        self._slots: OrderedDict[_Slot[Item, Result], None] = OrderedDict()
        self._ready: deque[_Slot[Item, Result]] = deque()
        self._settling: asyncio.Future[None] | None = None
        self._exhausted = False

    async def results(self) -> AsyncGenerator[Result, None]:
        """The results; the first failure ends the stream and is raised."""
        try:
            while (slot := await self._next()) is not None:
                if slot.expired is not None:
                    raise slot.expired
                yield await slot.task.result(0)
        finally:
            self._close()

    async def outcomes(self) -> AsyncGenerator[Returned[Result] | Ended, None]:
        """How each task went."""
        try:
            while (slot := await self._next()) is not None:
                if slot.expired is not None and self._on_timeout == "exit":
                    raise slot.expired
                match await slot.task.yield_(0):
                    case Returned() as returned:
                        yield returned
                    case Ended(reason):
                        yield Ended(reason, slot.item)
        finally:
            self._close()

    async def _next(self) -> _Slot[Item, Result] | None:
        await self._fill()
        if not self._slots:
            return None
        slot = await (self._next_in_order() if self._ordered else self._next_ready())
        del self._slots[slot]
        return slot

    async def _fill(self) -> None:
        while not self._exhausted and len(self._slots) < self._concurrency:
            try:
                item = next(self._items)
            except StopIteration:
                self._exhausted = True
            else:
                self._add(_Slot(item, await self._start(item)))

    def _add(self, slot: _Slot[Item, Result]) -> None:
        self._slots[slot] = None
        if slot.task.settled:
            self._settled(slot)
            return
        slot.task.add_callback(partial(self._settled, slot))
        if self._timeout is not None:
            slot.timer = self._node.clock.call_later(self._timeout, partial(slot.expire, self._timeout))

    async def _next_in_order(self) -> _Slot[Item, Result]:
        slot = next(iter(self._slots))
        while not slot.task.settled:
            await self._until_settled()
        return slot

    async def _next_ready(self) -> _Slot[Item, Result]:
        while not self._ready:
            await self._until_settled()
        return self._ready.popleft()

    async def _until_settled(self) -> None:
        self._settling = self._node.loop.create_future()
        await self._settling

    def _settled(self, slot: _Slot[Item, Result]) -> None:
        slot.stop_timer()
        if not self._ordered:
            self._ready.append(slot)
        if self._settling is not None and not self._settling.done():
            self._settling.set_result(None)

    def _close(self) -> None:
        for slot in list(self._slots):
            slot.stop_timer()
            slot.task.discard()
        self._slots.clear()


class _Slot(Generic[Item, Result]):
    """A task that was started and whose result wasn't taken yet."""

    __slots__ = ("expired", "item", "task", "timer")

    def __init__(self, item: Item, task: Task[Result]) -> None:
        self.item = item
        self.task = task
        self.timer: Timer | None = None
        self.expired: DeadlineExceeded | None = None

    def expire(self, seconds: float) -> None:
        self.expired = DeadlineExceeded(f"{self.task!r} did not return within {seconds} s")
        self.task.expire(self.expired)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
