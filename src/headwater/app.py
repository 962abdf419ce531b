"""Application: an event-sourced system, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from types import TracebackType
from typing import Final, Literal, TypeVar, Unpack, cast, overload
from uuid import UUID

from headwater.clock import Clock, Rng, SystemClock
from headwater.codec import Codec, TypeRegistry
from headwater.cqrs.blueprint import Blueprint
from headwater.cqrs.committed import Committed
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.decision import MAX_ATTEMPTS
from headwater.cqrs.dispatch import Dispatcher, Terms
from headwater.cqrs.dispatch_options import DispatchOptions, Returning, check_part, returned
from headwater.cqrs.envelope import Envelope, Outcome
from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.failure import Parking
from headwater.cqrs.follower import Follower, FollowerProcess, other
from headwater.cqrs.handler_instance import HandlerDefinition
from headwater.cqrs.handler_process import HandlerStatus
from headwater.cqrs.handlers import HandlerRegistry, Handlers
from headwater.cqrs.live_aggregates import MAX_LIVE, LiveAggregates
from headwater.cqrs.manager_letter_box import ManagerLetterBox
from headwater.cqrs.manager_status import InstanceStatus, ManagerStatus
from headwater.cqrs.middleware import Middleware
from headwater.cqrs.model_decisions import ModelDecisions
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.cqrs.query_subscription import QuerySubscription
from headwater.cqrs.reactions import Reactions
from headwater.cqrs.router import CommandRouter
from headwater.cqrs.scheduling import Scheduled, Scheduling
from headwater.cqrs.snapshot_writer import SNAPSHOTS, SnapshotWriter
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import ViewProcess
from headwater.cqrs.view_status import ViewStatus
from headwater.cqrs.views import Views
from headwater.errors import ApplicationError
from headwater.pubsub.broker import PubSub
from headwater.runtime.child import Child
from headwater.runtime.pid import Pid
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, kind_of, seen
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.decision_model import ModelClass
from headwater.sourcing.history import Step, history
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.repository import Repository
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.model import Recorded
from headwater.store.query import EventQuery
from headwater.store.store import EventStore
from headwater.store.subscription_start import Start, StartFrom
from headwater.telemetry import Telemetry
from headwater.types import IdSource, Position, Version
from headwater.upcaster import AnyUpcaster

AggregateT = TypeVar("AggregateT", bound=Aggregate)
StateT = TypeVar("StateT")
ProjectionT = TypeVar("ProjectionT", bound=Projection)
Answer = TypeVar("Answer")

DISPATCH_TIMEOUT: Final = 5.0
"""Seconds that a command, a query or a wait may take, unless the call says otherwise."""

IN_FLIGHT: Final = 500
"""How many commands of a `dispatch_all` are under way at a time, unless the call says otherwise."""


class Application:
    """Aggregates that decide, a log that remembers, views that answer.

        bank = Application("bank", store="sqlite:///bank.db", aggregates=[Account], projections=[Balances])

        async with bank:
            done = await bank.dispatch(Deposit("a-1", 50))
            await bank.wait_for(Balances, done.position)
            print(await bank.query(BalanceOf("a-1")))

    On entering, the store is opened and every view follows the log to its head, however long that takes; `catch_up`
    says otherwise. On leaving, what was dispatched becomes durable and is answered, then everything is closed.

    Args:
        name: for logs.
        store: the URL of the event store: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, or `memory://` for
            one that is gone when the application ends.
        aggregates: the write side.
        models: decisions about several entities at once.
        projections: the read side. Of several versions of one view, the first serves, until another is built by
            `rebuild`; that one then serves at the next start too.
        view_database: the URL of the database in which a `SQLProjection` has its tables, if it names none itself:
            `sqlite:///views.db`, `postgresql://…` or `memory://`. By default `bank.views.db` beside a store in
            `bank.db`, the schema `headwater_views` in the store's database, or memory if the store is there.
        handlers: side effects: classes of event handlers, or objects of them that were made with what they need.
        process_managers: what follows events and answers with commands.
        parking: where process managers leave what they can't handle; by default it becomes a dead letter, see
            `dead_letters`. `NoParking()` stops the instance.
        events: further classes of events that may be stored; those that an aggregate evolves or a projection
            follows are known anyway.
        upcasters: what makes of events of earlier days what today's classes can read; see `upcast`.
        middleware: what every command passes through, the first one first.
        include: blueprints whose parts the application has besides.
        catch_up: the views that follow the log to its head before the application is entered; all if not given, `[]`
            for none. The others do that while it runs: until then their queries get `ViewCatchingUp`, `wait_for`
            waits, and `views` tells how far they have come. What takes long is reported in the log every 10 seconds.
        max_live: how many aggregates may have a process at a time. Beyond that the idle ones that were used the longest
            time ago leave memory; a busy one never does.
        master_key: what the keys for personal fields are wrapped with, see `EventStore.open`; by default the
            environment variable HEADWATER_MASTER_KEY, or none.
        clock: where the time comes from; the operating system by default.
        rng: where chance comes from; seeded by the operating system by default.
        telemetry: who wants to know; nobody by default.

    Attributes:
        blueprint: all parts that it was given.
        handlers: which event handlers it has.
        view_places: where its views in databases are.
        run_handlers: whether they handle events once it is entered. Set it to False before, to look after their dead
            letters, say, and leave the rest alone.

    Raises:
        DefinitionError: the parts don't fit together: two handlers for one command or query, two classes for
            one type name; a `SQLProjection` names no proper database.
        BrokenUpcasters: the upcasters leave a hole, lead nowhere or round in a circle.
        UnknownView: `catch_up` names a view that isn't one of `projections`.
        ValueError: `max_live` is below 1.
    """

    def __init__(
        self,
        name: str,
        *,
        store: str,
        aggregates: Sequence[type[Aggregate] | Decider[object]] = (),
        models: Sequence[ModelClass] = (),
        projections: Sequence[type[Projection]] = (),
        view_database: str | None = None,
        handlers: Sequence[HandlerDefinition] = (),
        process_managers: Sequence[type[ProcessManager]] = (),
        parking: Parking | None = None,
        events: Sequence[type[Event]] = (),
        upcasters: Sequence[AnyUpcaster] = (),
        middleware: Sequence[Middleware] = (),
        include: Sequence[Blueprint] = (),
        catch_up: Sequence[type[Projection]] | None = None,
        max_live: int = MAX_LIVE,
        master_key: str | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        if max_live < 1:
            raise ValueError(f"at least 1 aggregate must be allowed to live, not {max_live}")
        self.name = name
        self._max_live = max_live
        self.blueprint = Blueprint(
            aggregates=aggregates,
            models=models,
            projections=projections,
            handlers=handlers,
            process_managers=process_managers,
            upcasters=upcasters,
            events=events,
            middleware=middleware,
            include=include,
        )
        self.aggregates = self.blueprint.aggregates
        self.projections = self.blueprint.projections
        self._given = (clock, rng, telemetry)
        self._parking = parking
        self.handlers = HandlerRegistry(self.blueprint.handlers)
        self.run_handlers = True
        self._master_key = master_key
        self.telemetry = telemetry or Telemetry(clock or SystemClock())
        self.pubsub = PubSub(telemetry=self.telemetry)
        self.url = store
        self.view_places = ViewPlaces(store, view_database)
        self._clock = clock or SystemClock()
        models, managers = self.blueprint.models, self.blueprint.process_managers
        self._commands = CommandRouter(self.aggregates, models)
        categories = [aggregate.category for aggregate in self.aggregates]
        names = [handler.handler for handler in self.handlers.classes]
        self._reactions = Reactions(managers, self._commands.commands(), categories, parking, names)
        more = (*self.blueprint.events, *self.handlers.events(), *self._reactions.events())
        self.codec = Codec(_registry((*self.aggregates, *models), self.projections, more), self.blueprint.upcasters)
        self.codec.check_upcasters()
        self._system = System(name, clock=self._clock, rng=rng, telemetry=self.telemetry, shutdown=30.0)
        self._catch_up = catch_up
        self._views = Views(self.projections, self._system, self.codec.types, self.view_places, catch_up)
        self._store: EventStore | None = None
        self._dispatcher: Dispatcher | None = None
        self._handlers: Handlers | None = None
        self._scheduling: Scheduling | None = None

    def on(
        self,
        store: str,
        *,
        name: str | None = None,
        view_database: str | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
        telemetry: Telemetry | None = None,
    ) -> Application:
        """The same application on another store: for a test, or for one of several tenants. It is not running.

        The two share the objects that this one was given, such as middleware, and nothing else.

        Args:
            store: the URL of its event store.
            name: for logs; the same if not given.
            view_database: where its views in databases are; beside the store if not given, also if this one's are
                elsewhere: one place can't hold the views of two logs.
            clock: the same as this one was given if not given.
            rng: likewise.
            telemetry: likewise.
        """
        own_clock, own_rng, own_telemetry = self._given
        parts = self.blueprint
        return Application(
            name or self.name,
            store=store,
            aggregates=parts.aggregates,
            models=parts.models,
            projections=parts.projections,
            view_database=view_database,
            handlers=parts.handlers,
            process_managers=parts.process_managers,
            upcasters=parts.upcasters,
            parking=self._parking,
            master_key=self._master_key,
            events=parts.events,
            middleware=parts.middleware,
            catch_up=self._catch_up,
            max_live=self._max_live,
            clock=clock or own_clock,
            rng=rng or own_rng,
            telemetry=telemetry or own_telemetry,
        )

    # --- write side ------------------------------------------------------------------------------------------

    @overload
    async def dispatch(self, command: Command, **more: Unpack[DispatchOptions]) -> Committed: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["events"], **more: Unpack[DispatchOptions]
    ) -> tuple[Event, ...]: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["version"], **more: Unpack[DispatchOptions]
    ) -> Version: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Literal["position"], **more: Unpack[DispatchOptions]
    ) -> Position: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: type[AggregateT], **more: Unpack[DispatchOptions]
    ) -> AggregateT: ...

    @overload
    async def dispatch(
        self, command: Command, *, returning: Decider[StateT], **more: Unpack[DispatchOptions]
    ) -> StateT: ...

    async def dispatch(
        self,
        command: Command,
        *,
        metadata: Mapping[str, object] | None = None,
        id: UUID | None = None,  # noqa: A002 - the field's term
        correlation: UUID | None = None,
        because: Recorded | None = None,
        timeout: float | None = DISPATCH_TIMEOUT,
        attempts: int = MAX_ATTEMPTS,
        wait_for: Sequence[type[Follower]] = (),
        returning: Returning | None = None,
    ) -> object:
        """Have a command decided, and wait until its events are durable.

        Commands for one aggregate are decided in the order in which they are dispatched, or have passed the
        middleware. If the caller is cancelled or gives up, the command may or may not have an effect. What the answer
        says, be it a rejection, was true of the log at a moment between the call and the answer, also when other
        applications write to it.

        To send a command again, because its answer was lost, give it an `id`, best a UUIDv7, and the same one each
        time: it has one effect, and each time the answer of the first time. Only an effect is remembered: a command
        that was rejected, or had nothing to do, is decided again. A command with an `id` takes two turns at the
        disk, not one.

        Args:
            command: what is wanted.
            metadata: stored beside each of its events.
            id: identifies the command, made up if not given; its events carry it as their causation.
            correlation: shared by everything that one outside cause led to; that of `because` if not given, or else
                the command's id.
            because: the event that led to the command; its id is stored with the metadata.
            timeout: seconds for all of it: middleware, decision, commit, views; None waits for ever.
            attempts: how often the command is decided, on the state as it is then, before the conflicts with other
                writers are reported; a rejection upon a state that another writer has changed is one too.
            wait_for: views that shall have followed the command's events before this returns, and handlers that shall
                have handled them.
            returning: what to return: everything, the events, the version, the position; or the aggregate as the
                command left it, a copy: give its class, which must be the one that decides the command.

        Raises:
            Rejected: the aggregate said no. Nothing was stored.
            UnknownCommand: no aggregate decides this command.
            CommandFailed: `decide` or `evolve` raised something else. Nothing was stored.
            CommandIdTaken: the id was used for another aggregate's command. Nothing was stored.
            ConflictNotResolved: another writer kept changing the stream. Nothing was stored.
            StoreError: the events could not be stored.
            InvalidCommand: the command makes no sense by itself. Nothing was stored.
            ConsistencyTimeout: the events are durable, but a view has not followed them in time.
            DeadlineExceeded: no answer in time; the command may still take effect.
            ViewFailed: the events are durable, but a view has stopped before them.
            UnknownView, UnknownHandler, CallingSelf: a view or handler isn't the application's, or waits for itself.
                Nothing was stored.
            HandlerStopped: the events are durable, but a handler has stopped before them.
            ValueError: `attempts` is below 1, `timeout` isn't positive, or there is nothing of that name to return.
            TypeError: the aggregate to return isn't the one that decides the command.
            HeadwaterError: a middleware has raised that.
        """
        if attempts < 1:
            raise ValueError(f"a command must be decided at least once, not {attempts} times")
        keep_state = False
        if returning is None:
            pass  # most commands
        elif isinstance(returning, type | Decider):
            keep_state = True
            self._commands.check(command, kind_of(returning))
        else:
            check_part(returning)
        terms = Terms(timeout, attempts, tuple(wait_for), keep_state)
        envelope = Envelope(command, metadata, id, correlation, because)
        committed = await self._running().dispatch(envelope, terms)
        return committed if returning is None else returned(committed, returning)

    async def dispatch_all(
        self, commands: Iterable[Command | Envelope], *, in_flight: int = IN_FLIGHT
    ) -> AsyncIterator[Outcome]:
        """Have many commands decided, with several under way at a time, so that they share the disk's work.

        Gives one outcome for each command, in the order of the commands; an error is an outcome too and doesn't
        stop the others. Commands are taken from the iterable only as fast as they are answered. Commands for
        one aggregate are decided in their order. When the loop over the outcomes is left early, commands under
        way may or may not have an effect.

        Args:
            commands: commands, or `Envelope`s where metadata or ids are to be given.
            in_flight: how many commands may be under way; at least 1.

        Raises:
            ValueError: `in_flight` is below 1.
        """
        if in_flight < 1:
            raise ValueError(f"at least 1 command must be in flight, not {in_flight}")
        async for outcome in self._running().dispatch_all(commands, in_flight):
            yield outcome

    # --- later -----------------------------------------------------------------------------------------------

    async def schedule(
        self,
        command: Command,
        *,
        at: datetime | None = None,
        after: float | None = None,
        id: UUID | None = None,  # noqa: A002 - the field's term
        metadata: Mapping[str, object] | None = None,
        correlation: UUID | None = None,
        because: Recorded | None = None,
    ) -> UUID:
        """Have a command dispatched later. Returns its id, to cancel it by; it is durable then.

        It is dispatched under that id, so that it has one effect, whatever ends and starts meanwhile; as soon as the
        application runs, if the moment has passed. A rejection is noted in the log and nobody is told. A failure is
        tried again some times.

        Args:
            command: what is wanted.
            at: when, with a time zone.
            after: or in how many seconds.
            id: identifies it, made up if not given. The same command scheduled again under the same id changes nothing:
                the first time counts.
            metadata: stored beside each of its events.
            correlation: shared by everything that one outside cause led to; that of `because` if not given, or else the
                id.
            because: the event that led to it.

        Raises:
            UnknownCommand, InvalidCommand: it could never be dispatched. Nothing was scheduled.
            TimerIdTaken: the id was used for something else. Nothing was scheduled.
            ValueError: not one of `at` and `after` is given, or it isn't possible.
            CodecError: the command or the metadata doesn't fit into JSON.
            StoreError: it could not be stored.
            ApplicationError: the application is not running.
        """
        if self._commands.model(command) is None:
            self._commands.route(command)
        return await self._later().schedule(
            command, at=at, after=after, id=id, metadata=metadata, correlation=correlation, because=because
        )

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 - the field's term
        """Cancel what was scheduled. True: it never has an effect. False: it is too late.

        Raises:
            UnknownTimer: nothing was ever scheduled under this id.
            StoreError: it could not be stored.
        """
        return await self._later().cancel(id)

    async def scheduled(self, *, limit: int = 1_000) -> list[Scheduled]:
        """What is scheduled, the next first, at most so many; process managers' timers too."""
        return await self._later().pending(limit)

    async def process_managers(self) -> list[ManagerStatus]:
        """How each process manager is doing, in the order in which they were given."""
        self._running()
        return await self._reactions.statuses()

    async def instance(self, kind: type[ProcessManager], id: str) -> InstanceStatus | None:  # noqa: A002
        """How an instance of a process manager is doing; None if there never was one.

        Raises:
            UnknownProcessManager: it is none of the application's.
        """
        return await self._reactions.instance(self.store, kind, id)

    async def resume(self, kind: type[ProcessManager], id: str) -> bool:  # noqa: A002 - the field's term
        """Let an instance of a process manager go on that a failure has stopped. False if it wasn't stopped.

        It goes on with the event or the command that has stopped it; the events that came since are handled then.

        Raises:
            UnknownProcessManager: it is none of the application's.
            ApplicationError: as many instances as may be in memory are busy.
        """
        self._running()
        return await self._reactions.resume(kind, id)

    # --- read side -------------------------------------------------------------------------------------------

    async def query(self, query: Query[Answer], *, timeout: float | None = DISPATCH_TIMEOUT) -> Answer:
        """Ask the view that answers this kind of query. It may lag behind the log: see `wait_for`.

        Raises:
            UnknownQuery: no projection answers it.
            ViewFailed: the view stopped at an event that it couldn't digest.
            ViewCatchingUp: it has not caught up with the log yet, and isn't one that has to first; see `catch_up`.
            DeadlineExceeded: no answer in time.
        """
        self._running()
        return await self._views.query(query, timeout)

    def subscription(
        self, query: Query[Answer], *, timeout: float | None = DISPATCH_TIMEOUT
    ) -> QuerySubscription[Answer]:
        """A query that goes on being answered: first the answer of now, then each one that differs from the last.

            async with bank.subscription(BalanceOf("a-1")) as balances:
                async for balance in balances:
                    print(balance)

        What a slow subscriber misses, and how it ends: see `QuerySubscription`.

        Args:
            query: what is asked.
            timeout: seconds that opening it may take; None waits for ever.

        Raises:
            UnknownQuery: no projection answers it.
        """
        self._running()
        return self._views.subscription(query, timeout)

    async def wait_for(
        self, view: type[Follower], position: int, *, timeout: float | None = DISPATCH_TIMEOUT
    ) -> Position:
        """Wait until a view has followed the log up to a position, or an event handler has handled it up to there.

        Returns how far it has come. A handler has also done with what it has skipped or parked.

        Args:
            view: one of the application's projections or event handlers.
            position: `Committed.position`, to read your own writes.
            timeout: seconds; None waits for ever.

        Raises:
            UnknownView, UnknownHandler: the application has no such projection or handler.
            CallingSelf: a handler waits for itself.
            ViewFailed, HandlerStopped: it stopped before that position.
            DeadlineExceeded: it isn't there yet.
        """
        return await self._follower(view).within(timeout).call(FollowerProcess.reached, position)

    async def views(self) -> list[ViewStatus]:
        """How far each view has come, in the order in which they were given; of a view the version that serves."""
        return await self._views.statuses(self.store)

    async def rebuild(self, view: type[Projection]) -> Position:
        """Build a view from the log's beginning, beside the one that serves, and let it take over.

            await bank.rebuild(Balances)            # the same code, after a mistake in it was mended
            await bank.rebuild(BalancesV2)          # class BalancesV2(..., name="Balances", version=2)

        The old one serves until the new one is where it is; they change places between two events. Queries never see
        the view at a lower position than before; who waits for a position, or has a subscription, goes on waiting.
        `views` tells how far it has come. Which version serves is stored, for the next start. If the caller is
        cancelled, the building ends, unless the two are just changing places.

        Args:
            view: one of the application's projections, or another version of one.

        Returns:
            The position at which it took over.

        Raises:
            ViewFailed: it could not follow an event. The old one serves on.
            UnknownView: the application has no view of that name.
            RebuildRunning: another build of it is under way.
            DefinitionError: it doesn't answer every query that the old one does, or its events or name clash.
            StartFailed: an object of the class can't be made. The old one serves on.
            StoreError: the log could not be read. The old one serves on.
        """
        return await self._views.rebuild(self.store, view)

    # --- event handlers --------------------------------------------------------------------------------------

    async def handler_statuses(self) -> list[HandlerStatus]:
        """How each event handler is doing, in the order in which they were given."""
        return await self._running_handlers().status()

    @overload
    def dead_letters(self, owner: type[EventHandler]) -> DeadLetterBox: ...

    @overload
    def dead_letters(self, owner: type[ProcessManager]) -> ManagerLetterBox: ...

    def dead_letters(self, owner: type[EventHandler] | type[ProcessManager]) -> DeadLetterBox | ManagerLetterBox:
        """What a handler or a process manager could not handle: to be listed, replayed, dropped.

        Raises:
            UnknownHandler: the application has no such handler.
            UnknownProcessManager: the application has no such process manager.
        """
        handlers = self._running_handlers()
        return self._reactions.box(owner) if issubclass(owner, ProcessManager) else handlers.box(owner)

    async def pause_handler(self, handler: type[EventHandler]) -> bool:
        """Let a handler finish what is under way, and handle nothing more until it is resumed. Returns whether it ran.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        return await self._running_handlers().pause(handler)

    async def resume_handler(self, handler: type[EventHandler]) -> None:
        """Let a handler go on that has stopped or was paused. Harmless when it runs.

        Raises:
            UnknownHandler: the application has no such handler.
        """
        await self._running_handlers().resume(handler)

    async def reset_handler(self, handler: type[EventHandler], to: StartFrom = Start.ORIGIN) -> None:
        """Let a handler handle the events behind a place again: finish, call its `before_reset`, go back, go on.

        Its dead letters stay as they are.

        Args:
            handler: one of the application's.
            to: the place, as for `start_from`.

        Raises:
            UnknownHandler: the application has no such handler.
            SubscriptionNotFound: it has never run.
            SubscriptionTaken: another process runs it.
            InvalidSubscription: it can't begin there.
            Exception: what its `before_reset` raised. It goes on where it was.
        """
        await self._running_handlers().reset(handler, to)

    # --- history ---------------------------------------------------------------------------------------------

    @overload
    async def state(self, kind: type[AggregateT], id: str, *, at: Moment | None = None) -> AggregateT: ...

    @overload
    async def state(self, kind: Decider[StateT], id: str, *, at: Moment | None = None) -> StateT: ...

    async def state(
        self,
        kind: type[Aggregate] | Decider[object],
        id: str,  # noqa: A002 - the field's term
        *,
        at: Moment | None = None,
    ) -> object:
        """An aggregate as it was at a moment, or as the log has it now: folded from its events, every time.

        If its class takes snapshots, the fold begins with the last one, unless that is from behind the moment.

        Args:
            kind: its class, or its decider.
            id: which one.
            at: a `Version`, a `Position` or a `datetime` with a time zone; None for now.

        Raises:
            TypeError, ValueError: `at` is no moment.
            Undecodable, UnknownType: an event can't be read.
        """
        return seen((await Repository(self.store).load(kind_of(kind), id, at)).aggregate)

    async def history(
        self,
        kind: type[Aggregate] | Decider[object],
        id: str,  # noqa: A002 - the field's term
        *,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncIterator[Step]:
        """What happened to an aggregate between two moments: each event, and the fields before and after it.

        The events that come are those which lead from `state(at=since)` to `state(at=until)`. The times of events never
        fall along the log, even if the clock is set back: an event is recorded at the clock's time, or at that of the
        event before it if that is later. So each instant cuts the log in two.

        Args:
            kind: its class, or its decider.
            id: which one.
            since: the events behind this moment; None for the first one on.
            until: the events up to this moment, inclusive; None for now.

        Raises:
            TypeError, ValueError: what was given is no moment.
            Undecodable, UnknownType: an event can't be read.
        """
        async with aclosing(history(self.store, kind_of(kind), id, since, until)) as steps:
            async for step in steps:
                yield step

    async def project(self, view: type[ProjectionT], *, at: Moment | None = None) -> ProjectionT:
        """A view as it was at a moment, or as the log gives it now: built afresh, beside the running one.

        Raises:
            TypeError, ValueError: `at` is no moment, or a version, which only a stream has.
            Undecodable, UnknownType: an event that it follows can't be read.
        """
        if isinstance(at, Version):
            raise TypeError(f"a view has no version: give a Position(…) or a datetime, not {at!r}")
        horizon = Horizon(at)
        projection = view()
        query = EventQuery.of(*(event.type_name.name for event in view.events()))
        async with self.store.read_all(query=query) as events:
            async for recorded in events:
                if not horizon.includes(recorded.stored):
                    break
                projection.follow(recorded)
        return projection

    @overload
    async def live_state(self, kind: type[AggregateT], id: str) -> AggregateT | None: ...

    @overload
    async def live_state(self, kind: Decider[StateT], id: str) -> StateT | None: ...

    async def live_state(self, kind: type[Aggregate] | Decider[object], id: str) -> object:  # noqa: A002
        """The state that decides the next command, out of the aggregate's process. None if it has none now.

        It is the process's own object: read it before you await anything, and change nothing.
        """
        return seen(await self._running().inspect(kind_of(kind), id))

    # --- running ---------------------------------------------------------------------------------------------

    @property
    def store(self) -> EventStore:
        """The event store.

        Raises:
            ApplicationError: the application is not running.
        """
        if self._store is None:
            raise ApplicationError(f"application {self.name!r} is not running; use it in `async with`")
        return self._store

    @property
    def system(self) -> System:
        """The processes: start your own beside the application's."""
        return self._system

    async def __aenter__(self) -> Application:
        if self._store is not None:
            raise ApplicationError(f"application {self.name!r} is running already")
        store = await EventStore.open(
            self.url, self.codec, clock=self._clock, telemetry=self.telemetry, master_key=self._master_key
        )
        try:
            await self.pubsub.start()
            await self._system.__aenter__()
            await self._system.start(Supervisor, await self._children(store))
        except BaseException:
            await self._system.__aexit__(None, None, None)
            await store.close()
            raise
        self._store = store
        aggregates = LiveAggregates(self._system, store, self._max_live)
        self._dispatcher = Dispatcher(
            aggregates,
            ModelDecisions(store, aggregates.foreign),
            self._commands,
            IdSource(self._clock.wall),
            self._clock,
            self.telemetry,
            self.blueprint.middleware,
            self._follower,
        )
        self._handlers = Handlers(self.handlers, self._system, store, self)
        try:
            self._scheduling = await self._reactions.start(self._system, store, self._dispatcher, self._clock)
            await self._handlers.start(run=self.run_handlers)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handlers is not None:
            await self._handlers.drain()  # while what they do, such as dispatching commands, still works
        store, self._store, self._dispatcher = self.store, None, None
        self._handlers = self._scheduling = None
        try:
            await self._reactions.stop()
            await self._system.__aexit__(kind, error, trace)
        finally:
            await self.pubsub.stop()
            await store.close()

    async def _children(self, store: EventStore) -> list[Child]:
        views = await self._views.children(store, self.pubsub.broadcast)
        return [Child(SnapshotWriter, store, name=SNAPSHOTS), *views]

    def _follower(self, follower: type[Follower]) -> Pid[FollowerProcess]:
        if issubclass(follower, EventHandler):
            return other(self._running_handlers().process(follower))
        return other(self._known_view(cast("type[Projection]", follower)))

    def _running_handlers(self) -> Handlers:
        self._running()
        return cast("Handlers", self._handlers)

    def _known_view(self, view: type[Projection]) -> Pid[ViewProcess]:
        self._running()
        return self._views.known(view)

    def _later(self) -> Scheduling:
        if self._scheduling is None:
            raise ApplicationError(f"application {self.name!r} is not running; use it in `async with`")
        return self._scheduling

    def _running(self) -> Dispatcher:
        if self._dispatcher is None:
            raise ApplicationError(f"application {self.name!r} is not running; use it in `async with`")
        return self._dispatcher


def _registry(
    deciding: Iterable[type[Deciding]], projections: Iterable[type[Projection]], events: Iterable[type[Event]]
) -> TypeRegistry:
    registry = TypeRegistry()
    evolved = [event for one in deciding for event in one.events()]
    followed = [event for projection in projections for event in projection.events()]
    for event in (*evolved, *followed, *events):
        registry.register(event, event.type_name, event.tagger)
    return registry
