"""What producers and producer-consumers have in common: they give events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.exits import Reason
from headwater.runtime.process import Process
from headwater.runtime.reply import Deferred
from headwater.stages.buffer import Buffer, Keep
from headwater.stages.dispatchers.demand import DemandDispatcher
from headwater.stages.dispatchers.dispatcher import Dispatcher
from headwater.stages.messages import StageSubscription
from headwater.stages.outflow import Outflow
from headwater.stages.outlet import DemandForm, check_form
from headwater.stages.stage import Stage
from headwater.stages.steps import Steps

Out = TypeVar("Out")

BUFFER_SIZE: Final = 10_000
"""How many events may wait in a stage's buffer, unless it says otherwise."""

_log: Final = logging.getLogger("headwater.stages")


class Emitter(Stage, Generic[Out]):
    """A stage that gives events. Subclass `Producer` or `ProducerConsumer`.

    A subclass sets these for all its stages, or `init` for one; those of `init` are looked at when the first consumer
    or the first event comes.

    Attributes:
        buffer_size: how many events may wait that nobody has asked for.
        buffer_keep: which are kept when more come: `last`, those that come, or `first`, those that are there.
        demand_mode: `accumulate` to keep demand until `set_demand("forward")` is called.
    """

    buffer_size: int = BUFFER_SIZE
    buffer_keep: Keep = "last"
    demand_mode: DemandForm = "forward"

    def __init_subclass__(cls, **keywords: Any) -> None:  # noqa: ANN401 - for the bases of a subclass
        """Check the class.

        Raises:
            DefinitionError: one of its attributes is not what it should be.
        """
        super().__init_subclass__(**keywords)
        try:
            Buffer(cls.buffer_size, cls.buffer_keep)
            check_form(cls.demand_mode)
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__qualname__}: {error}") from None

    def attach(self, process: Process) -> None:
        """Bind the stage to its process. Used once, by the runtime."""
        super().attach(process)
        self._stage_outflow: Outflow[Out] = Outflow(
            self, process, self._stage_supply, self._stage_marked, self._stage_held
        )

    # --- what a subclass defines -----------------------------------------------------------------------------

    def dispatcher(self) -> Dispatcher[Out]:
        """Which consumer gets which event. Asked once, after `init`. A `DemandDispatcher` by default."""
        return DemandDispatcher()

    def handle_subscribe(self, subscription: StageSubscription) -> object:
        """A subscription of this stage has begun, on whichever side it is. May be async. By default nothing happens."""
        return None

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> object:
        """A subscription of this stage has ended, on whichever side it is. May be async. By default nothing happens.

        Args:
            subscription: which.
            reason: why it was cancelled, or why the process at its other end has ended.
        """
        return None

    def handle_discarded(self, events: list[Out]) -> object:
        """Events were discarded, because nobody had asked for them and the buffer was full. Not async.

        By default their number is logged. They are counted in any case, and telemetry is told.
        """
        _log.warning("%s has discarded %d events: its buffer was full", self._cell.label, len(events))
        return None

    # --- what a subclass uses --------------------------------------------------------------------------------

    def emit(self, events: Sequence[Out]) -> None:
        """Give events: to consumers that have asked, else into the buffer. In order, also with those of handlers.

        For methods other than the handler of the stage, whose result is emitted anyway. A list that is given must not
        be changed afterwards.
        """
        self._stage_outflow.emit(events)

    # --- what others call ------------------------------------------------------------------------------------

    def set_demand(self, mode: DemandForm) -> Deferred[None]:
        """Keep demand (`accumulate`), or hear of all that was kept and of all that comes (`forward`).

        Raises:
            DefinitionError: there is no such mode. Nothing has changed.
        """
        deferred = self.defer(type(None))
        try:
            self._stage_outflow.outlet.form = check_form(mode)
        except DefinitionError as error:
            deferred.fail(error)
        else:
            self._stage_outflow.wake()
            deferred.reply(None)
        return deferred

    def queue_info(self, message: object) -> None:
        """Have `handle_info` get a message when all events that were emitted before have gone to consumers."""
        self._stage_outflow.mark(message)

    def consumers(self) -> list[StageSubscription]:
        """The subscriptions of this stage's consumers, oldest first."""
        return self._stage_outflow.subscriptions

    def estimate_buffered_count(self) -> int:
        """How many events wait that nobody has asked for yet."""
        return self._stage_outflow.outlet.buffered

    def count_discarded(self) -> int:
        """How many events were discarded since the start, because the buffer was full."""
        return self._stage_outflow.discarded

    # --- what it does ----------------------------------------------------------------------------------------

    def _stage_message(self, message: object) -> Steps | None:
        return self._stage_outflow.react(message)

    def _stage_supply(self) -> Steps | None:
        """What it does when there may be demand."""
        raise NotImplementedError

    def _stage_marked(self, message: object) -> None:
        self._cell.inform(message)

    def _stage_held(self) -> int:
        """How many events it holds besides those in its buffer."""
        return 0
