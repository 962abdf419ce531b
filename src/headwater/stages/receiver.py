"""What consumers and producer-consumers have in common: they take events."""

from __future__ import annotations

import logging
from typing import Final, Generic, TypeVar, Unpack

from headwater.errors import StageError
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.reply import Deferred
from headwater.stages.emitter import Emitter
from headwater.stages.inflow import Inflow, Source
from headwater.stages.messages import Cancelled, StageSubscription
from headwater.stages.options import SubscribeOptions, Terms
from headwater.stages.stage import Stage
from headwater.stages.steps import Steps

In = TypeVar("In")

_log: Final = logging.getLogger("headwater.stages")


class Receiver(Stage, Generic[In]):
    """A stage that takes events. Subclass `Consumer` or `ProducerConsumer`."""

    def attach(self, process: Process) -> None:
        """Bind the stage to its process. Used once, by the runtime."""
        super().attach(process)
        self._stage_inflow: Inflow[In] = Inflow(self, process, self._stage_events, self._stage_end)

    # --- what a subclass defines -----------------------------------------------------------------------------

    def handle_subscribe(self, subscription: StageSubscription) -> object:
        """A subscription of this stage has begun, on whichever side it is. May be async. By default nothing happens."""
        return None

    def handle_cancel(self, subscription: StageSubscription, reason: Reason) -> object:
        """A subscription of this stage has ended, on whichever side it is. May be async. By default nothing happens.

        On this side it runs behind all events of the subscription, and before the stage ends for it, if `cancel` says
        so.

        Args:
            subscription: which.
            reason: why it was cancelled or refused, or why the process at its other end has ended.
        """
        return None

    # --- what a subclass uses --------------------------------------------------------------------------------

    def subscribe_to(self, producer: Pid[Emitter[In]], **terms: Unpack[Terms[In]]) -> StageSubscription:
        """Subscribe this stage, without waiting for the producer's answer. For its own methods, `init` included.

        If the producer refuses, or dies first, that is like any other end of a subscription: `handle_cancel` is
        told, and `cancel` decides what becomes of this stage.

        Args:
            producer: to whom.
            terms: on what terms; see `SubscribeOptions`.

        Raises:
            InvalidDemand, SubscriptionRefused: the terms are none, or it is no producer.
            ProducerDown: the producer is dead already.
        """
        return self._stage_inflow.subscribe(producer, SubscribeOptions(**terms))

    def resubscribe_to(
        self,
        old: StageSubscription,
        producer: Pid[Emitter[In]],
        reason: Reason = Exit.NORMAL,
        **terms: Unpack[Terms[In]],
    ) -> StageSubscription:
        """Replace a subscription by another one. The end of the old one has no consequences for this stage.

        Events that are on their way are still handled.

        Raises:
            StageNotSubscribed: there is no such subscription, or no longer. Nothing was subscribed.
            InvalidDemand, SubscriptionRefused, ProducerDown: as `subscribe_to` does. The old one stays.
        """
        return self._stage_inflow.replace(old, producer, SubscribeOptions(**terms), reason)

    # --- what others call ------------------------------------------------------------------------------------

    def join(self, producer: Pid[Emitter[In]], options: SubscribeOptions[In]) -> Deferred[StageSubscription]:
        """Subscribe, and answer when the producer has accepted. `subscribe` calls it."""
        deferred = self.defer(StageSubscription)
        try:
            self._stage_inflow.subscribe(producer, options, deferred)
        except StageError as error:
            deferred.fail(error.with_traceback(None))
        return deferred

    def rejoin(
        self, old: StageSubscription, producer: Pid[Emitter[In]], options: SubscribeOptions[In], reason: Reason
    ) -> Deferred[StageSubscription]:
        """Replace a subscription, and answer when the producer has accepted. `resubscribe` calls it."""
        deferred = self.defer(StageSubscription)
        try:
            self._stage_inflow.replace(old, producer, options, reason, deferred)
        except StageError as error:
            deferred.fail(error.with_traceback(None))
        return deferred

    def join_soon(self, producer: Pid[Emitter[In]], options: SubscribeOptions[In]) -> None:
        """Subscribe without an answer. `subscribe_soon` casts it.

        If the producer has died meanwhile, that is as if it had died just after.
        """
        try:
            self._stage_inflow.subscribe(producer, options)
        except StageError as error:
            _log.warning("%s could not subscribe: %s", self._cell.label, error)
            if options.cancel != "temporary":
                self.stop(error)

    def subscriptions(self) -> list[StageSubscription]:
        """This stage's subscriptions to producers, oldest first."""
        return self._stage_inflow.subscriptions

    # --- what it does ----------------------------------------------------------------------------------------

    def _stage_message(self, message: object) -> Steps | None:
        return self._stage_inflow.react(message)

    def _stage_events(self, source: Source[In], events: list[In]) -> Steps | None:
        """What it does with events."""
        raise NotImplementedError

    def _stage_end(self, message: Cancelled) -> Steps | None:
        """What it does when a subscription has ended."""
        raise NotImplementedError
