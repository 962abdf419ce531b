"""Producers, consumers and pipelines."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class StageError(HeadwaterError):
    """Base of what goes wrong between producers and consumers."""


class InvalidDemand(StageError, ValueError):
    """A demand that isn't positive, or bounds of a demand that don't fit each other. Nothing was asked for."""


class SubscriptionRefused(StageError):
    """The producer can't have this consumer, or not on these terms. Nothing was subscribed."""


class UnknownPartition(SubscriptionRefused):
    """The dispatcher has no such partition. Nothing was subscribed, or dispatched."""


class PartitionTaken(SubscriptionRefused):
    """The partition has a consumer already. Nothing was subscribed."""


class AlreadySubscribed(SubscriptionRefused):
    """The consumer is subscribed already, and twice would give it each event twice. The first subscription stays."""


class StageNotSubscribed(StageError):
    """There is no such subscription, or it has ended."""


class ProducerDown(StageError):
    """The producer is dead, or died before it had accepted the subscription, or while a stream was read.

    Args:
        message: which.
        reason: how it ended.
    """

    def __init__(self, message: str, /, *, reason: object) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidPipeline(StageError, ValueError):
    """A pipeline, or one of its options, is put together wrongly. Nothing was started."""


class PipelineRunning(StageError):
    """The pipeline runs already. It was not started a second time."""


class PipelineDown(StageError):
    """The pipeline doesn't run, or has ended."""


class UnknownBatcher(StageError):
    """A message was sent to a batcher that the pipeline doesn't have. The message has failed; no retry helps."""


class InvalidAcknowledgement(StageError):
    """The source can't be told that. Nothing was acknowledged."""


class MessageAlreadyAcknowledged(InvalidAcknowledgement):
    """A message is acknowledged once; this was the second time. Nothing has changed."""
