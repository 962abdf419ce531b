"""Producer: the stage at which events begin."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Generic, TypeVar, cast

from headwater.stages.emitter import Emitter
from headwater.stages.steps import Steps

Out = TypeVar("Out")


class Producer(Emitter[Out], Generic[Out]):
    """A stage that gives events when consumers ask for them.

        class Numbers(Producer[int]):
            def init(self, first: int = 1) -> None:
                self.next = first

            def handle_demand(self, demand: int) -> Sequence[int]:
                numbers = range(self.next, self.next + demand)
                self.next += demand
                return numbers

    It may give less than was asked for, and the rest later with `emit`: then it has to remember what it owes, because
    it is asked only once. It may give more, or without being asked: what nobody has asked for waits in its buffer,
    and beyond `buffer_size` events are discarded and reported.
    """

    def handle_demand(self, demand: int) -> Sequence[Out] | Coroutine[object, object, Sequence[Out]]:
        """Give events. May be async; meanwhile the producer does nothing else.

        Args:
            demand: how many events consumers want in addition to what this producer was asked for before.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_demand")

    def emit(self, events: Sequence[Out]) -> None:
        """Give events: to consumers that have asked, else into the buffer. In order, those of `handle_demand` included.

        A list that is given must not be changed afterwards.
        """
        outflow = self._stage_outflow
        outflow.emit(events)
        if outflow.outlet.lacking:  # consumers wanted none of them
            outflow.wake()

    def _stage_supply(self) -> Steps | None:
        demand = self._stage_outflow.outlet.take_demand()
        return self.__answer(demand) if demand else None

    def __answer(self, demand: int) -> Steps:
        events = yield self.handle_demand(demand)
        self.emit(cast("Sequence[Out]", events or ()))
