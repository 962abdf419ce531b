"""ProducerConsumer: a stage in the middle."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Generic, TypeVar, cast

from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.stages.emitter import Emitter
from headwater.stages.inflow import Source
from headwater.stages.messages import Cancelled, Drained, Events, Subscribed, Subscription
from headwater.stages.receiver import Receiver
from headwater.stages.stage import deliver
from headwater.stages.steps import Steps

In = TypeVar("In")
Out = TypeVar("Out")


class ProducerConsumer(Receiver[In], Emitter[Out], Generic[In, Out]):
    """A stage that makes events out of events.

        class Doubler(ProducerConsumer[int, int]):
            def handle_events(self, events: list[int], source: Subscription) -> Sequence[int]:
                return [2 * number for number in events]

    It handles events only while its own consumers want some: until then they wait, at most `max_demand` of each
    producer, and the producers are asked for no more. So no queue grows, however slow the consumers are. Its buffer
    holds what one call of `handle_events` gave beyond the demand, whatever the buffer's size, so that nothing of it
    is discarded; only what it emits elsewhere is discarded when the buffer is full.

    When a subscription ends, `handle_cancel` is told, and the stage ends for it if it is to, after all that was made
    from the subscription's events has gone to consumers.
    """

    def attach(self, process: Process) -> None:
        """Bind the stage to its process. Used once, by the runtime."""
        super().attach(process)
        self._stage_pending: deque[_Arrived[In] | _Mark] = deque()

    def handle_events(
        self, events: list[In], source: Subscription
    ) -> Sequence[Out] | Coroutine[object, object, Sequence[Out]]:
        """Make events out of events. May be async; meanwhile the stage does nothing else.

        Args:
            events: at least one, in the order in which the producer gave them. The list is the stage's own.
            source: the subscription that they come from.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_events")

    def queue_info(self, message: object) -> None:
        """Have `handle_info` get a message when all that was made from the events that are here now has gone on."""
        self.__mark(message)

    def _stage_message(self, message: object) -> Steps | None:
        if isinstance(message, Drained):
            return self._stage_inflow.close(message.cancelled)
        if isinstance(message, Events | Subscribed | Cancelled):
            return self._stage_inflow.react(message)
        return self._stage_outflow.react(message)

    def _stage_events(self, source: Source[In], events: list[In]) -> Steps | None:
        self._stage_pending.append(_Arrived(source, events))
        return self._stage_supply()

    def _stage_end(self, message: Cancelled) -> Steps | None:
        self.__mark(Drained(message))
        return None

    def _stage_supply(self) -> Steps | None:
        return self.__work_off() if self._stage_pending and self._stage_outflow.outlet.has_room else None

    def __work_off(self) -> Steps:
        """Handle what waits, as long as consumers want more."""
        pending, outlet = self._stage_pending, self._stage_outflow.outlet
        while pending and not self._stage_stopping and (isinstance(pending[0], _Mark) or outlet.has_room):
            first = pending[0]
            if isinstance(first, _Mark):
                pending.popleft()
                self._stage_outflow.mark(first.message)
                continue
            batch = first.take()
            count = len(batch)
            if not first.left:
                pending.popleft()
            made = yield self.handle_events(batch, first.source.subscription)
            self._stage_outflow.emit(cast("Sequence[Out]", made or ()), bounded=False)
            first.source.handled(count)

    def __mark(self, message: object) -> None:
        if self._stage_pending:
            self._stage_pending.append(_Mark(message))
        else:
            self._stage_outflow.mark(message)

    def _stage_held(self) -> int:
        return sum(arrived.left for arrived in self._stage_pending if isinstance(arrived, _Arrived))

    def _stage_marked(self, message: object) -> None:
        if isinstance(message, Drained):
            deliver(Pid(self._cell), message)
        else:
            super()._stage_marked(message)


class _Arrived(Generic[In]):
    """Events that wait for demand.

    Attributes:
        source: where they come from.
        left: how many of them have not been handled.
    """

    __slots__ = ("_events", "left", "source")

    def __init__(self, source: Source[In], events: list[In]) -> None:
        self.source = source
        self.left = len(events)
        self._events = events

    def take(self) -> list[In]:
        """The next of them, as many as are to be handled at once."""
        batch = self.source.batch(self._events, len(self._events) - self.left)
        self.left -= len(batch)
        return batch


class _Mark:
    """A message between batches."""

    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message
