"""Consumer: the stage at which events end."""

from __future__ import annotations

from typing import Generic, TypeVar

from headwater.stages.inflow import Source
from headwater.stages.messages import Cancelled, Subscription
from headwater.stages.receiver import Receiver
from headwater.stages.steps import Steps

In = TypeVar("In")


class Consumer(Receiver[In], Generic[In]):
    """A stage that handles events.

        class Printer(Consumer[int]):
            def init(self, numbers: Pid[Numbers]) -> None:
                self.subscribe_to(numbers, max_demand=100)

            def handle_events(self, events: list[int], source: Subscription) -> None:
                print(events)

    With automatic demand it asks for `max_demand` events, handles them in batches of at most `max_demand - min_demand`,
    and asks again after each batch. So a slow consumer slows its producers down, and never holds more than `max_demand`
    events of each.
    """

    def handle_events(self, events: list[In], source: Subscription) -> object:
        """Handle events. May be async; meanwhile the consumer does nothing else. What it returns is dropped.

        Args:
            events: at least one, in the order in which the producer gave them. The list is the consumer's own.
            source: the subscription that they come from; to ask for more, if its demand is manual, or to cancel.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_events")

    def _stage_events(self, source: Source[In], events: list[In]) -> Steps:
        start, end = 0, len(events)  # the handler may change the list: it is its own
        while start < end and not self._stage_stopping:
            batch = source.batch(events, start)
            count = len(batch)
            yield self.handle_events(batch, source.subscription)
            source.handled(count)
            start += count

    def _stage_end(self, message: Cancelled) -> Steps:
        return self._stage_inflow.close(message)
