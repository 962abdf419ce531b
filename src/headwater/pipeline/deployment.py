"""Deployment: what the processes of a pipeline share while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from headwater.pipeline.handlers import Handlers
from headwater.pipeline.message import DEFAULT_BATCHER
from headwater.pipeline.rate import Rate
from headwater.pipeline.topology import BatcherTopology, Topology
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process

Data = TypeVar("Data")

PARTITION_BY: Final = "partition_by"
PREPARE_MESSAGES: Final = "prepare_messages"


class Deployment(Generic[Data]):
    """A pipeline that was started. Made anew each time; it ends with its supervisor.

    Args:
        handlers: the application's pipeline.
        supervisor: the process at the top.
        overridden: whether the application's class defines one of its optional methods.

    Attributes:
        handlers: the application's pipeline.
        supervisor: the process at the top.
        topology: the names of its processes.
        rate: what its source stages may emit.
        draining: whether it is about to end: sources give nothing new, and batches are not waited for.
        keyed: whether messages may have keys.
        prepares: whether messages are prepared before they are handled.
        sources: the source stages that live now, or lived last, in the order of the sources.
        processors: likewise, in no order.
        batchers: likewise, by name.
        abandoned: set when what is in it shall not be waited for when it ends.
        finished: set while all sources are over and everything of them is acknowledged.
    """

    def __init__(self, handlers: Handlers[Data], supervisor: Process, overridden: Callable[[str], bool]) -> None:
        self.handlers = handlers
        self.supervisor = supervisor
        self.topology = _topology(handlers)
        self.rate = Rate(handlers.rate_limit, supervisor.node.clock.monotonic())
        self.draining = False
        self.keyed = overridden(PARTITION_BY)
        self.prepares = overridden(PREPARE_MESSAGES)
        self.sources: dict[int, Pid[Any]] = {}
        self.processors: dict[int, Pid[Any]] = {}
        self.batchers: dict[str, Pid[Any]] = {}
        self.abandoned = asyncio.Event()
        self.finished = asyncio.Event()
        self._over: set[int] = set()

    @property
    def capacity(self) -> int:
        """How many messages there can be in the pipeline."""
        return self.handlers.max_unacknowledged * len(self.handlers.sources)

    @property
    def default_batcher(self) -> str:
        """Where messages go unless they are told otherwise: the only batcher, if there is one."""
        names = list(self.handlers.batchers)
        return names[0] if len(names) == 1 else DEFAULT_BATCHER

    def set_over(self, source: int, over: bool) -> None:
        """Whether a source is over, and everything of it is acknowledged."""
        if over:
            self._over.add(source)
        else:
            self._over.discard(source)
        if len(self._over) == len(self.handlers.sources):
            self.finished.set()
        else:
            self.finished.clear()


def _topology(handlers: Handlers[Data]) -> Topology:
    def names(role: str, count: int) -> tuple[str, ...]:
        return tuple(handlers.process_name(f"{role}.{number}") for number in range(count))

    return Topology(
        handlers.name,
        names("source", len(handlers.sources)),
        names("processor", handlers.processors.concurrency),
        {
            name: BatcherTopology(
                handlers.process_name(f"batcher.{name}"), names(f"batch_processor.{name}", options.concurrency)
            )
            for name, options in handlers.batchers.items()
        },
    )
