"""ConsumerSupervisor: one child for each event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.child import Child
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.runtime.slot import Slot
from headwater.runtime.strategy import OneForOne
from headwater.stages.emitter import Emitter
from headwater.stages.inflow import Source
from headwater.stages.messages import Cancelled
from headwater.stages.options import SubscribeOptions
from headwater.stages.receiver import Receiver
from headwater.stages.steps import Steps

In = TypeVar("In")
ServerT = TypeVar("ServerT", bound=GenServer)


def _none() -> tuple[()]:
    return ()


class ConsumerSupervisor(Receiver[In], DynamicSupervisor, Generic[In], adds_methods=True):
    """A consumer that starts a child for each event, and supervises it.

        class Workers(ConsumerSupervisor[Job]):
            pass

        workers = await system.start(Workers, Child(Worker, restart="temporary"))
        await subscribe(workers, jobs, max_demand=50)

    There are never more than `max_demand` children for one producer: the demand is the number of free places. A child
    that ends, and doesn't come back, frees its place; so does one that couldn't start, which is reported in the log.
    The supervisor asks again when no more than `min_demand` are left.

    A child is `temporary`, or `transient`: then it is started again after an abnormal end, with the same event. When
    the supervisor ends, it ends its children. Of a `permanent` subscription that is when its producer ends, too.
    """

    def init(  # type: ignore[override]  # each supervisor has parameters of its own
        self,
        child: Child[ServerT],
        *,
        producers: Callable[[], Iterable[Pid[Emitter[In]]]] = _none,
        options: SubscribeOptions[In] | None = None,
        strategy: OneForOne | None = None,
    ) -> None:
        """Begin without children.

        Args:
            child: what to start; its `init` gets the event after its other arguments.
            producers: called at each start, gives those to subscribe to.
            options: on what terms.
            strategy: how many restarts it bears; see `DynamicSupervisor`.

        Raises:
            DefinitionError: the child is permanent, so that it would never make room for the next, or no `Child`.
        """
        DynamicSupervisor.init(self, strategy=strategy)
        problem = self._problem(child)
        if problem is not None:
            raise problem
        if child.restart == "permanent":
            raise DefinitionError(
                f"child {child.id!r} of a ConsumerSupervisor is temporary or transient: it is there for one event"
            )
        self._template: Child[GenServer] = child
        self._origins: dict[Slot, Source[In]] = {}
        for producer in producers():
            self._stage_inflow.subscribe(producer, options or SubscribeOptions())

    def start_child(self, child: Child[ServerT]) -> Deferred[Pid[ServerT] | None]:
        """Refused: children come from events.

        Raises:
            DefinitionError: always.
        """
        deferred: Deferred[Pid[ServerT] | None] = self._cell.defer()  # type: ignore[assignment]  # it is never answered
        deferred.fail(DefinitionError("a ConsumerSupervisor starts its children itself, one for each event"))
        return deferred

    def _stage_events(self, source: Source[In], events: list[In]) -> None:
        for event in events:
            slot = Slot(self._template.override(arguments=(*self._template.arguments, event)))
            self._origins[slot] = source
            self._begin(slot, self._cell.defer())  # type: ignore[arg-type]  # nobody waits for the answer

    def _stage_end(self, message: Cancelled) -> Steps:
        return self._stage_inflow.close(message)

    def _free(self, slot: Slot) -> None:
        super()._free(slot)
        self._origins.pop(slot).handled(1)
