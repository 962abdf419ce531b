"""The supervisors of a pipeline, and the process that drains it before its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from headwater.errors import ProcessDown
from headwater.pipeline.batch_processor import BatchProcessor
from headwater.pipeline.batcher import BatcherStage
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.processor import LastProcessor, Processor
from headwater.pipeline.source_stage import SourceStage
from headwater.pipeline.spans import INIT
from headwater.pipeline.topology import Topology
from headwater.runtime.child import Child
from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.strategy import OneForAll, OneForOne, RestForOne, Strategy
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.telemetry import SpanEvent

Data = TypeVar("Data")


class Drainer(GenServer, Generic[Data]):
    """Ends first, and only when the pipeline is empty, or its time is over."""

    trap_exit = True

    def init(self, deployment: Deployment[Data]) -> None:
        """Wait for the end."""
        self._deployment = deployment

    async def terminate(self, reason: Reason) -> None:
        """Let the sources give nothing new, close all batches, and wait for the acknowledgements, unless abandoned."""
        deployment = self._deployment
        deployment.draining = True
        for batcher in deployment.batchers.values():
            batcher.cast(BatcherStage.drain)
        draining = self._cell.node.loop.create_task(self._drain_all())
        try:
            await deployment.abandoned.wait()
        finally:
            draining.cancel()

    async def _drain_all(self) -> None:
        try:
            await asyncio.gather(*(self._drain(source) for source in self._deployment.sources.values()))
        finally:
            self._deployment.abandoned.set()

    async def _drain(self, source: Pid[Any]) -> None:
        with suppress(ProcessDown):  # its successor, if there is one, reads nothing
            await source.within(None).call(SourceStage.drain)


class Deployable(Protocol):
    """A pipeline, as far as its supervisor has to know it."""

    @property
    def name(self) -> str:
        """What it is called."""

    def deploy(self, supervisor: Process) -> Deployment[Any]:
        """Begin to run."""


class PipelineSupervisor(Supervisor):
    """The process at the top of a running pipeline. It ends when its stages needed more restarts than are bearable.

    Attributes:
        deployment: what its processes share.
    """

    auto_shutdown = "any_significant"
    deployment: Deployment[Any]

    def children(self, pipeline: Deployable) -> Iterable[Child]:
        """The processes of a pipeline.

        Raises:
            PipelineRunning: it runs already.
        """
        self.deployment = pipeline.deploy(self._cell)
        telemetry = self._cell.node.telemetry
        if telemetry.listening:
            said = {"pipeline": pipeline.name, "topology": self.deployment.topology}
            telemetry.emit(SpanEvent(INIT, "start", 0.0, said))
        return _children(self.deployment)


def running_pipelines(system: System) -> list[Topology]:
    """The pipelines that run in a system, in the order of their starts."""
    servers = (process.server for process in system.node.processes if isinstance(process, Process))
    return [server.deployment.topology for server in servers if isinstance(server, PipelineSupervisor)]


def _children(deployment: Deployment[Data]) -> Iterator[Child]:
    """The children of a pipeline's supervisor.

    - the stages, `RestForOne`: the source stages, each restarted on its own; then all others, which are restarted
      together when one of them ends, or when the source stages are given up.
    - the drainer, which is ended before them.
    """
    handlers = deployment.handlers
    most, within = handlers.max_restarts, handlers.within
    sources = _supervisor("sources", _sources(deployment), OneForOne(most, within))
    others = _supervisor("handling", _others(deployment), OneForAll(0))
    stages = _supervisor("stages", [sources, others], RestForOne(most, within))
    yield stages.override(restart="transient", significant=True)
    yield Child(Drainer, deployment, id="drainer", shutdown=handlers.shutdown)


def _supervisor(role: str, children: Iterable[Child], strategy: Strategy) -> Child:
    return Child(Supervisor, list(children), id=role, keywords={"strategy": strategy})


def _sources(deployment: Deployment[Data]) -> Iterable[Child]:
    for index, name in enumerate(deployment.topology.sources):
        yield Child(SourceStage, deployment, index, name=name)


def _others(deployment: Deployment[Data]) -> Iterable[Child]:
    """Each behind those that it subscribes to. They hold nothing that would be lost if they are killed."""
    processor: type[GenServer] = Processor if deployment.handlers.batchers else LastProcessor
    for index, name in enumerate(deployment.topology.processors):
        yield Child(processor, deployment, index, name=name, shutdown="kill")
    for batcher, names in deployment.topology.batchers.items():
        yield Child(BatcherStage, deployment, batcher, name=names.batcher, shutdown="kill")
        for index, name in enumerate(names.processors):
            yield Child(BatchProcessor, deployment, batcher, index, name=name, shutdown="kill")
