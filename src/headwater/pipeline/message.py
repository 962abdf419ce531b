"""Message: what handlers of a pipeline deal with."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from headwater.errors import MessageAlreadyAcknowledged
from headwater.pipeline.source import Delivery, Feed

Data = TypeVar("Data")

DEFAULT_BATCHER: Final = "default"


class Failure(msgspec.Struct, frozen=True):
    """Why a message has failed.

    Attributes:
        reason: what the handler raised, or what was given to `Message.fail`.
        retry: whether it may be tried again.
        after: seconds until it is tried again, however often it was; None for what the pipeline's `retry` says.
    """

    reason: object
    retry: bool = True
    after: float | None = None


class Origin(Protocol[Data]):
    """The source stage that a message comes from, in one of its lives.

    Attributes:
        live: whether it has not ended.
    """

    live: bool

    @property
    def batcher(self) -> str:
        """Where its messages go unless they are told otherwise."""

    @property
    def feed(self) -> Feed[Data]:
        """What it reads."""

    def acknowledge_early(self, message: Message[Data]) -> None:
        """Tell the source that the message is handled, while it is still in the pipeline."""

    def settle(self, handled: list[Message[Data]], failed: list[Message[Data]]) -> None:
        """These have gone through the pipeline."""


class Message(msgspec.Struct, Generic[Data]):
    """An item on its way through a pipeline. Handlers may change `data`, `batcher`, `batch_key` and `flush`.

    A message that is tried again, or given again after a crash, is a new one with the item as its source gave it.

    Attributes:
        data: what is handled; at first the item.
        batcher: to which batcher it goes after `handle_message`.
        batch_key: messages of different keys are put into different batches of the batcher.
        flush: whether its batch is to be closed behind it at once.
        delivery: how its source gave it.
        key: what `partition_by` says: messages of one key keep their order. None for no order.
        attempt: how often the handler that has it now has had it, this time included. Begins at 1 for each.
        failure: set when it has failed.
        origin: the source stage that it comes from.
        number: what it is known by there.
        acknowledged: whether `acknowledge` was called.
    """

    data: Data
    delivery: Delivery[Data]
    origin: Origin[Data]
    number: int
    batcher: str = DEFAULT_BATCHER
    flush: bool = False
    key: Hashable = None
    batch_key: Hashable = None
    attempt: int = 1
    failure: Failure | None = None
    acknowledged: bool = False

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the source says about the item."""
        return self.delivery.metadata

    def fail(self, reason: object, *, retry: bool = True, after: float | None = None) -> None:
        """Mark the message as failed, as if its handler had raised for it alone.

        Args:
            reason: why, for logs and dead letters.
            retry: whether it may be tried again, as the pipeline's `retry` says; if not, it is parked at once.
            after: try it again in so many seconds, however often it was tried.
        """
        self.failure = Failure(reason, retry, after)

    def acknowledge(self) -> None:
        """Acknowledge it to its source now: it won't be given again, whatever becomes of it in the pipeline.

        Raises:
            MessageAlreadyAcknowledged: that was done before.
        """
        if self.acknowledged:
            raise MessageAlreadyAcknowledged(f"message {self.number} was acknowledged before; that is done once")
        self.acknowledged = True
        self.origin.acknowledge_early(self)

    def configure_ack(self, **options: object) -> None:
        """Change how its source will be told of its end. Which options there are is up to the source.

        Raises:
            InvalidAcknowledgement: the source has no such options. Nothing has changed.
        """
        self.delivery = self.origin.feed.configure(self.delivery, options)

    def again(self) -> Message[Data]:
        """The message for its next attempt, as its source gave it."""
        return Message(
            self.delivery.item,
            self.delivery,
            self.origin,
            self.number,
            self.origin.batcher,
            self.delivery.flush,
            key=self.key,
            attempt=self.attempt + 1,
            acknowledged=self.acknowledged,
        )
