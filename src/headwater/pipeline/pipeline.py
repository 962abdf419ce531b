"""Pipeline: what an application subclasses to handle the messages of a source."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from headwater.errors import InvalidPipeline, PipelineDown, PipelineRunning
from headwater.pipeline.batch import BatchInfo
from headwater.pipeline.dead_letters import DeadLetters, MemoryDeadLetters
from headwater.pipeline.deployment import Deployment
from headwater.pipeline.message import Message
from headwater.pipeline.options import Batcher, Processors, RateLimit, Retry, check_settings, made_of
from headwater.pipeline.source import Source
from headwater.pipeline.source_stage import SourceStage
from headwater.pipeline.supervision import PipelineSupervisor
from headwater.pipeline.topology import Topology
from headwater.runtime.child import Child
from headwater.runtime.exits import Exit
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.strategy import OneForOne, Strategy
from headwater.runtime.system import System

Data = TypeVar("Data")


class Pipeline(Generic[Data]):
    """Handles the messages of sources: one by one, then in batches, each at least once.

        class Measurements(Pipeline[Reading]):
            processors = Processors(concurrency=4)
            batchers = {"rows": Batcher(size=500, timeout=0.2)}

            def __init__(self, source: Source[Reading], database: Database) -> None:
                super().__init__(source)
                self.database = database

            def handle_message(self, message: Message[Reading]) -> None:
                message.data = calibrated(message.data)

            async def handle_batch(self, messages: list[Message[Reading]], batch: BatchInfo) -> None:
                await self.database.insert([message.data for message in messages])

        pipeline = Measurements(source, database)
        await pipeline.start(system)

    Sources give messages as processors ask for them; so the slowest part sets the pace, and at most
    `max_unacknowledged` messages of each source are in the pipeline. A message is acknowledged to its source when
    `handle_batch` has had it, or `handle_message` if there are no batchers.

    **At least once.** Whatever process of it dies, at whatever moment: a message that isn't acknowledged is given
    again. So a handler may get a message twice, and should be idempotent.

    **Order.** Messages for which `partition_by` gives the same key are handled in the order of their source, also by
    batch processors, as far as they go to the same batcher with the same batch key. While a message waits for its
    retry, those of its key wait behind it, and others go on. After a crash a key begins again at its first message
    that isn't acknowledged. A key with many messages takes turns with the others, as far as they are in the pipeline.
    Without keys there is no order.

    **Failure.** A message fails if its handler raises, or calls `Message.fail`; if `handle_batch` raises, all of its
    messages fail. They are tried again as `retry` says, and then given to `handle_failed`, parked in `dead_letters`
    and acknowledged as failed. Other messages don't notice.

    One object handles the messages of all processors, in one thread; handlers that are async run at once, at most as
    many as there are processors. What it keeps in its attributes outlives a crash of them.

    Args:
        sources: where messages come from, 1 or more. Each has a process of its own.
        name: what it and its processes are called; the class's name if not given. Unique in its system.
        dead_letters: where messages go that can't be handled. By default the newest 1,000 are kept in memory.

    Attributes:
        processors: how messages are handled one by one.
        batchers: how they are put together after that, by name. Without any, they aren't. If there are several,
            `handle_message` says where a message goes; otherwise to the one named `default`.
        retry: how often a message is tried again, and when.
        rate_limit: how many messages may be taken from the sources; None for any rate.
        max_unacknowledged: how many messages of each source there may be in the pipeline.
        shutdown: seconds that it may take to become empty when it is stopped.
        max_restarts: how many restarts of its processes are bearable …
        within: … in so many seconds. With one more the pipeline ends, and its own supervisor decides.
        resubscribe_interval: seconds that processors wait when a source's process has died, before they turn to its
            successor.

    Raises:
        InvalidPipeline: there is no source, or one of the attributes is not what it should be.
    """

    processors: Processors = Processors()
    batchers: Mapping[str, Batcher] = {}
    retry: Retry = Retry()
    rate_limit: RateLimit | None = None
    max_unacknowledged: int = 10_000
    shutdown: float = 30.0
    max_restarts: int = 3
    within: float = 5.0
    resubscribe_interval: float = 0.1

    def __init__(
        self, *sources: Source[Data], name: str | None = None, dead_letters: DeadLetters | None = None
    ) -> None:
        self._sources = sources
        self._name = name or type(self).__name__
        self._dead_letters: DeadLetters = dead_letters or MemoryDeadLetters()
        self._deployment: Deployment[Data] | None = None
        self._check()

    # --- what a subclass defines -----------------------------------------------------------------------------

    def partition_by(self, data: Data) -> Hashable:
        """Whose messages keep their order, such as an account's: the key of a message. None for no order.

        Called for each message before it is handled. If it raises, the message is parked.
        """
        return None

    def prepare_messages(self, messages: list[Message[Data]]) -> object:
        """Do something for several messages at once, before each is handled, such as one query for all. May be async.

        If it raises, all of them fail.

        Args:
            messages: those that a processor has got at once, at least one.
        """
        return None

    def handle_message(self, message: Message[Data]) -> object:
        """Handle a message: change its data, choose its batcher. May be async. What it returns is dropped."""
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_message")

    def handle_batch(self, messages: list[Message[Data]], batch: BatchInfo) -> object:
        """Handle messages together. May be async. What it returns is dropped.

        Args:
            messages: at least one. Call `Message.fail` for those that can't be handled, or raise for all of them.
            batch: about the batch.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_batch")

    def handle_failed(self, messages: list[Message[Data]]) -> object:
        """Messages have failed for good; they are about to be parked. May be async. By default nothing happens.

        If it raises, that is logged.
        """
        return None

    def process_name(self, role: str) -> str:
        """What a process is called in its system.

        Args:
            role: what it is, such as `source.0` or `batch_processor.rows.1`.
        """
        return f"{self.name}.{role}"

    # --- starting and ending ---------------------------------------------------------------------------------

    async def start(self, system: System) -> Pid[PipelineSupervisor]:
        """Start it on its own, not under a supervisor. Returns the address of its own supervisor.

        Raises:
            PipelineRunning: it runs already.
            StartFailed: a process could not start.
            NameTaken: a process has the name.
        """
        self.check_startable()
        return await system.start(PipelineSupervisor, self, name=self.name, strategy=self._strategy())

    def child(self) -> Child[PipelineSupervisor]:
        """It as a child of a supervisor. It runs once at a time; a start beside it fails with `PipelineRunning`."""
        return Child(PipelineSupervisor, self, name=self.name, keywords={"strategy": self._strategy()})

    async def stop(self) -> None:
        """Give nothing new, handle what is there, close all batches, wait until everything is acknowledged; then end.

        What takes longer than `shutdown` seconds is killed. Its messages aren't acknowledged: they are given again when
        the pipeline starts again.

        Raises:
            PipelineDown: it doesn't run.
        """
        await Pid[object](self._running().supervisor).stop(Exit.SHUTDOWN, timeout=None)

    def abandon(self) -> None:
        """Don't wait, when it is stopped, for what isn't acknowledged. That is given again when it starts again.

        Harmless when it doesn't run.
        """
        if self._deployment is not None:
            self._deployment.abandoned.set()

    async def finished(self) -> None:
        """Wait until all sources are over, and everything of them is acknowledged. The pipeline goes on running.

        Raises:
            PipelineDown: it doesn't run, or has ended before.
        """
        deployment = self._running()
        supervisor = Pid[object](deployment.supervisor)
        number = supervisor.watch(lambda _: deployment.finished.set())
        try:
            await deployment.finished.wait()
        finally:
            supervisor.unwatch(number)
        if not supervisor.alive:
            raise PipelineDown(f"pipeline {self.name!r} has ended before its sources were over")

    # --- while it runs ---------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._deployment is not None and self._deployment.supervisor.alive

    def topology(self) -> Topology:
        """The names of its processes.

        Raises:
            PipelineDown: it doesn't run.
        """
        return self._running().topology

    def update_rate_limit(self, limit: RateLimit | None) -> None:
        """Allow another rate from now on; None for any. What was emitted in the present interval doesn't count.

        It holds until the pipeline ends; the next start begins with `rate_limit`.

        Raises:
            InvalidPipeline: it is no `RateLimit`. Nothing has changed.
            PipelineDown: it doesn't run.
        """
        if limit is not None:
            made_of("a rate limit", limit, RateLimit)
        deployment = self._running()
        deployment.rate.change(limit, deployment.supervisor.node.clock.monotonic())
        for source in deployment.sources.values():
            source.cast(SourceStage.go_on)

    # --- what its processes use ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @property
    def sources(self) -> Sequence[Source[Data]]:
        """Where its messages come from."""
        return self._sources

    @property
    def dead_letters(self) -> DeadLetters:
        """Where messages go that can't be handled."""
        return self._dead_letters

    def check_startable(self) -> None:
        """Look whether it may be started.

        Raises:
            PipelineRunning: it runs already.
        """
        if self.running:
            raise PipelineRunning(f"pipeline {self.name!r} runs already; make another one of the class")

    def deploy(self, supervisor: Process) -> Deployment[Data]:
        """Begin to run under this supervisor.

        Raises:
            PipelineRunning: it runs already.
        """
        self.check_startable()
        self._deployment = Deployment(self, supervisor, self._overrides)
        return self._deployment

    def _running(self) -> Deployment[Data]:
        if self._deployment is None or not self._deployment.supervisor.alive:
            raise PipelineDown(f"pipeline {self.name!r} does not run; start it")
        return self._deployment

    def _strategy(self) -> Strategy:
        return OneForOne(self.max_restarts, self.within)

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Pipeline, method)

    def _check(self) -> None:
        if not self._sources:
            raise InvalidPipeline(f"pipeline {self.name!r} has no source; give it one or more")
        for source in self._sources:
            if not callable(getattr(source, "open", None)):
                raise InvalidPipeline(f"a source has a method `open`, see Source; {source!r} has none")
        check_settings(self)
        needed = ["handle_message", "handle_batch"] if self.batchers else ["handle_message"]
        for method in needed:
            if not self._overrides(method):
                raise InvalidPipeline(f"{type(self).__qualname__} needs a method {method}")
