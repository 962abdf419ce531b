"""SourceSubscriptions: how a processor stays subscribed to source stages that come and go."""

from __future__ import annotations

from typing import Generic, TypeVar

from headwater.errors import ProducerDown
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Message
from headwater.stages.messages import StageSubscription
from headwater.stages.receiver import Receiver

Data = TypeVar("Data")


class Resubscribe:
    """To a processor: it is time to look for a source stage again.

    Attributes:
        source: its number.
    """

    __slots__ = ("source",)

    def __init__(self, source: int) -> None:
        self.source = source


class SourceSubscriptions(Generic[Data]):
    """A processor's subscriptions to all source stages of its pipeline.

    When one ends, the processor waits for `resubscribe_interval`, and then subscribes to the source stage that stands
    there; if none does, it waits again.

    Args:
        stage: the processor.
        deployment: the pipeline.
    """

    __slots__ = ("_deployment", "_sources", "_stage")

    def __init__(self, stage: Receiver[Message[Data]], deployment: Deployment[Data]) -> None:
        self._stage = stage
        self._deployment = deployment
        self._sources: dict[int, int] = {}  # the subscription's number: the source's

    def begin(self) -> None:
        """Subscribe to all source stages."""
        for source in range(len(self._deployment.handlers.sources)):
            self.subscribe(source)

    def subscribe(self, source: int) -> None:
        """Subscribe to a source stage; later, if it doesn't live now."""
        options = self._deployment.handlers.processors
        try:
            subscription = self._stage.subscribe_to(
                self._deployment.sources[source],
                max_demand=options.max_demand,
                min_demand=options.min_demand,
                cancel="temporary",
            )
        except ProducerDown:
            self._wait(source)
        else:
            self._sources[subscription.number] = source

    def ended(self, subscription: StageSubscription) -> None:
        """A subscription has ended."""
        source = self._sources.pop(subscription.number, None)
        if source is not None:
            self._wait(source)

    def _wait(self, source: int) -> None:
        self._stage.send_after(self._deployment.handlers.resubscribe_interval, Resubscribe(source))
