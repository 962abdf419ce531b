"""The process of one process manager: it reads the log, and gives each event to the instances that it is for."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from headwater.cqrs.failure import Failure
from headwater.cqrs.live_instances import LiveInstance, LiveInstances
from headwater.cqrs.manager_instance import ManagerInstance
from headwater.cqrs.manager_status import ManagerStatus
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TimerFired
from headwater.errors import ApplicationError
from headwater.runtime.child import Child
from headwater.runtime.down import Down
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.store.model import Recorded, Undecoded
from headwater.store.query import EventQuery
from headwater.store.store import EventStore
from headwater.store.subscription_options import SubscriptionOptions
from headwater.store.subscription_process import EventsArrived, ProcessSubscription, Subscribed, SubscriptionEnded
from headwater.types import Position

MAX_OUTSTANDING: Final = 10_000
"""How many events of one process manager may be given to its instances and not be done. Then no more are read."""

_SWEEP: Final = "sweep"


class _StartAgain(msgspec.Struct, frozen=True):
    """An instance whose process has died is to be started again."""

    id: str


def subscription_of(kind: type[ProcessManager]) -> str:
    """The name of the subscription that a process manager reads."""
    return f"process manager {kind.category}"


def query_of(store: EventStore, kind: type[ProcessManager]) -> EventQuery:
    """The events that a process manager follows: those of its methods, and that its timers have fired."""
    fired = EventQuery.of(TimerFired.type_name.name, tags=[f"manager:{kind.category}"])
    return store.query(*kind.events()) | fired


class ManagerProcess(GenServer):
    """Reads the log for one process manager.

    Its subscription's checkpoint moves up to the lowest event that isn't done; what lies behind it comes again after a
    crash. Each instance is a process with a queue of its own. At most `max_live` are in memory, and when all of those
    are busy, events of others wait; at most 10,000 events are under way.
    """

    trap_exit = True

    def init(
        self, kind: type[ProcessManager], surroundings: Surroundings, instances: Callable[[], Pid[DynamicSupervisor]]
    ) -> None:
        """Become the reader of the log for this process manager.

        Args:
            kind: the process manager.
            surroundings: what it works with.
            instances: finds the supervisor whose children the instances are.
        """
        self._kind = kind
        self._surroundings = surroundings
        self._instances = instances()
        self._live = LiveInstances(kind.max_live)
        self._processes: dict[Pid[object], str] = {}
        self._subscription: ProcessSubscription | None = None
        self._failure: str | None = None
        self.query = query_of(surroundings.store, kind)
        self.send_after(self._kind.idle, _SWEEP)
        self.then(ManagerProcess.subscribe)

    def subscribe(self) -> None:
        """Begin to read as soon as no other node does; meanwhile whatever else it is asked has its turn."""
        subscribing = self._cell.node.loop.create_task(self._subscribe())
        self._cell.cleanups = [
            *(self._cell.cleanups or ()),
            partial(self._cell.node.detach, subscribing, self._cell.label),
        ]

    def not_subscribed(self, error: Exception) -> None:
        """It could not begin: end, and be started again."""
        raise error

    async def _subscribe(self) -> None:
        try:
            await self._become_the_reader()
        except Exception as error:  # noqa: BLE001 - the process raises it
            self.pid.cast(ManagerProcess.not_subscribed, error)

    async def _become_the_reader(self) -> None:
        store, name = self._surroundings.store, subscription_of(self._kind)
        await self._take_over(name)
        options = SubscriptionOptions(name=name, query=self.query, max_unacknowledged=MAX_OUTSTANDING)
        await store.subscribe_process(self.pid, options, start_from=self._kind.start_from)

    async def handle_info(self, message: object) -> None:
        """Handle what comes from the log, and what becomes of the instances."""
        match message:
            case EventsArrived(events=events):
                for recorded in events:
                    await self._arrived(recorded)
            case Down(pid=pid):
                self._died(pid)
            case _StartAgain(id=id_):
                await self._start_again(id_)
            case Subscribed(subscription=subscription):
                self._subscription = subscription
            case SubscriptionEnded(error=error) if error is not None:
                raise error
            case "sweep":
                self._sweep()
            case _:
                pass

    async def done(self, id: str, recorded: Recorded) -> None:  # noqa: A002 - the field's term
        """An instance has done an event."""
        if self._live.done(id, recorded) is not None:
            self._acknowledge(recorded)
        await self._admit()

    async def resume(self, id: str) -> bool:  # noqa: A002 - the field's term
        """Let an instance that a failure has stopped go on. False if it wasn't stopped.

        Raises:
            ApplicationError: as many instances as may be are busy.
        """
        pid = await self.instance(id)
        return await pid.within(None).call(ManagerInstance.resume, self.query)

    async def instance(self, id: str) -> Pid[ManagerInstance]:  # noqa: A002 - the field's term
        """The process of an instance, started if it isn't in memory.

        Raises:
            ApplicationError: as many instances as may be are busy.
        """
        live = self._place(id)
        if live is None:
            raise ApplicationError(
                f"{len(self._live):,} instances of {self._kind.category!r} are busy; try again later"
            )
        return live.pid or await self._start(id, live)

    async def status(self) -> ManagerStatus:
        """How it is doing."""
        info = await self._surroundings.store.subscription_info(subscription_of(self._kind))
        position = Position(0 if info is None else info.checkpoint)
        return ManagerStatus(self._kind.category, position, len(self._live), self._live.outstanding, self._failure)

    # --- events ----------------------------------------------------------------------------------------------

    async def _take_over(self, name: str) -> None:
        """A store that has one writer has no other owner of a subscription: who is noted as one is dead."""
        store = self._surroundings.store
        info = await store.subscription_info(name)
        if info is None or info.owner is None or info.phase is not None or store.adapter.capabilities.many_writers:
            return
        await store.reset_subscription(name, info.checkpoint, force=True)

    async def _arrived(self, recorded: Recorded) -> None:
        if self._failure is not None:
            return
        try:
            if isinstance(recorded.event, Undecoded):
                raise recorded.event.error
            ids = self._kind.instances(recorded)
        except Exception as error:  # noqa: BLE001 - a bug in the application's code, or an event that can't be read
            await self._unplaced(recorded, error)
            return
        if not ids:
            self._acknowledge(recorded)
            return
        self._live.expect(recorded, len(ids))
        for id_ in ids:
            await self._give(id_, recorded)

    async def _give(self, id: str, recorded: Recorded) -> None:  # noqa: A002 - the field's term
        self._make_room(id)
        live = self._live.give(id, recorded, self._now())
        if live is None:
            return
        if live.pid is not None:
            live.pid.cast(ManagerInstance.take, recorded)
        elif not live.failures:
            await self._start(id, live)

    async def _unplaced(self, recorded: Recorded, error: Exception) -> None:
        """Nobody can tell for which instance it is, and so nothing behind it may be handled, unless it is parked."""
        failure = Failure(self._kind.category, None, recorded, None, error, 1, 0.0)
        if await self._surroundings.parking.park(failure):
            self._acknowledge(recorded)
        else:
            self._failure = str(failure)

    def _acknowledge(self, recorded: Recorded) -> None:
        if self._subscription is not None:
            self._subscription.ack(recorded)

    # --- instances -------------------------------------------------------------------------------------------

    async def _start(self, id: str, live: LiveInstance) -> Pid[ManagerInstance]:  # noqa: A002 - the field's term
        child = Child(ManagerInstance, self._kind, id, self._surroundings, self._tell_done)
        pid = await self._instances.within(None).call(DynamicSupervisor.start_child, child)
        if pid is None:
            raise ApplicationError("an instance's process has ignored its start")
        live.pid = pid
        self._processes[pid] = id
        self.monitor(pid)
        for recorded in live.outstanding.values():
            pid.cast(ManagerInstance.take, recorded)
        return pid

    def _tell_done(self, id: str, recorded: Recorded) -> None:  # noqa: A002 - the field's term
        self.pid.cast(ManagerProcess.done, id, recorded)

    def _died(self, pid: Pid[object]) -> None:
        id_ = self._processes.pop(pid, None)
        live = None if id_ is None else self._live.get(id_)
        if id_ is None or live is None or live.pid != pid:
            return  # it has left in good order
        live.pid = None
        delay = self._kind.backoff.delay(live.failures, self._surroundings.rng.random())
        live.failures += 1
        self.send_after(delay, _StartAgain(id_))

    async def _start_again(self, id: str) -> None:  # noqa: A002 - the field's term
        live = self._live.get(id)
        if live is not None and live.pid is None:
            await self._start(id, live)

    async def _admit(self) -> None:
        """Give places to those who wait, as far as there are some."""
        while (id_ := self._live.first_waiting()) is not None:
            if self._place(id_) is None:
                return
            for recorded in self._live.admit(id_):
                await self._give(id_, recorded)

    def _place(self, id: str) -> LiveInstance | None:  # noqa: A002 - the field's term
        self._make_room(id)
        return self._live.place(id, self._now())

    def _make_room(self, id: str) -> None:  # noqa: A002 - the field's term
        if self._live.get(id) is None and len(self._live) >= self._kind.max_live:
            self._let_go(self._live.idle(math.inf, 1))

    def _sweep(self) -> None:
        """Let those go that are idle."""
        self._let_go(self._live.idle(self._now() - self._kind.idle))
        self.send_after(self._kind.idle, _SWEEP)

    def _let_go(self, ids: list[str]) -> None:
        for id_ in ids:
            live = self._live.forget(id_)
            if live is not None and live.pid is not None:
                live.pid.cast(ManagerInstance.leave)

    def _now(self) -> float:
        return self._surroundings.clock.monotonic()
