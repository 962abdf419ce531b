"""Batches: messages that are handled together."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

import msgspec

from headwater.pipeline.message import Message

Data = TypeVar("Data")

Trigger = Literal["size", "timeout", "flush", "drain", "retry"]
"""Why a batch was closed: it was full; its time was over; a message asked for it; the pipeline ends. `retry`: it holds
messages that have failed before, and those that waited for them."""


class BatchInfo(msgspec.Struct, frozen=True):
    """What `handle_batch` may want to know about a batch.

    Attributes:
        batcher: the name of its batcher.
        key: the `batch_key` of its messages.
        trigger: why it was closed.
    """

    batcher: str
    key: Hashable
    trigger: Trigger


class Batch(msgspec.Struct, Generic[Data], frozen=True):
    """A batch on its way to its batch processor.

    Attributes:
        messages: at least one, in the order in which the batcher got them.
        info: what the handler gets to know.
        partition: the number of the batch processor, if order per key is to be kept.
    """

    messages: list[Message[Data]]
    info: BatchInfo
    partition: int = 0
