"""Application: an event-sourced system, put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, TypeVar, Unpack, cast, overload
from uuid import UUID

from headwater.clock import Clock, Rng, SystemClock
from headwater.codec import Codec, TypeRegistry
from headwater.cqrs.committed import Committed
from headwater.cqrs.decision import MAX_ATTEMPTS
from headwater.cqrs.dispatch import Dispatcher, Terms
from headwater.cqrs.dispatch_options import DispatchOptions, Returning, check_part, returned
from headwater.cqrs.envelope import Envelope, Outcome
from headwater.cqrs.live_aggregates import MAX_LIVE, LiveAggregates
from headwater.cqrs.middleware import Middleware
from headwater.cqrs.model_decisions import ModelDecisions
from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.cqrs.router import CommandRouter, QueryRouter
from headwater.cqrs.snapshot_writer import SNAPSHOTS, SnapshotWriter
from headwater.cqrs.view_choice import prepare_views, view_addresses, view_child
from headwater.cqrs.view_process import ViewProcess, ViewStatus
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
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.repository import Repository
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.model import Recorded
from headwater.store.store import EventStore
from headwater.telemetry import Telemetry
from headwater.types import IdSource, Position, Version

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

    On entering, the store is opened and every view follows the log to its head. On leaving, what was dispatched
    becomes durable and is answered, then everything is closed.

    Args:
        name: for logs.
        store: the URL of the event store: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, or `memory://` for
            one that is gone when the application ends.
        aggregates: the write side.
        models: decisions about several entities at once.
        projections: the read side.
        view_database: the URL of the database in which a `SQLProjection` has its tables, if it names none itself:
            `sqlite:///views.db`, `postgresql://…` or `memory://`. By default `bank.views.db` beside a store in
            `bank.db`, the schema `headwater_views` in the store's database, or memory if the store is there.
        events: further classes of events that may be stored; those that an aggregate evolves or a projection
            follows are known anyway.
        middleware: what every command passes through, the first one first.
        max_live: how many aggregates may have a process at a time. Beyond that the idle ones that were used the longest
            time ago leave memory; a busy one never does.
        clock: where the time comes from; the operating system by default.
        rng: where chance comes from; seeded by the operating system by default.
        telemetry: who wants to know; nobody by default.

    Raises:
        DefinitionError: the parts don't fit together: two handlers for one command or query, two classes for
            one type name; a `SQLProjection` names no proper database.
        ValueError: `max_live` is below 1.
    """

    def __init__(
        self,
        name: str,
        *,
        store: str,
        aggregates: Sequence[type[Aggregate] | Decider[object]],
        models: Sequence[ModelClass] = (),
        projections: Sequence[type[Projection]] = (),
        view_database: str | None = None,
        events: Sequence[type[Event]] = (),
        middleware: Sequence[Middleware] = (),
        max_live: int = MAX_LIVE,
        clock: Clock | None = None,
        rng: Rng | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        if max_live < 1:
            raise ValueError(f"at least 1 aggregate must be allowed to live, not {max_live}")
        self.name = name
        self._max_live = max_live
        self._middleware = tuple(middleware)
        self.aggregates = tuple(kind_of(aggregate) for aggregate in aggregates)
        self.projections = tuple(projections)
        self.telemetry = telemetry or Telemetry(clock or SystemClock())
        self.pubsub = PubSub(telemetry=self.telemetry)
        self.url = store
        self._view_addresses = view_addresses(self.projections, store, view_database)
        self._clock = clock or SystemClock()
        self.codec = Codec(_registry((*self.aggregates, *models), self.projections, events))
        self._commands = CommandRouter(self.aggregates, models)
        self._queries = QueryRouter(self.projections)
        self._system = System(name, clock=self._clock, rng=rng, telemetry=self.telemetry, shutdown=30.0)
        self._store: EventStore | None = None
        self._dispatcher: Dispatcher | None = None

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
        wait_for: Sequence[type[Projection]] = (),
        returning: Returning | None = None,
    ) -> object:
        """Have a command decided, and wait until its events are durable.

        Commands for one aggregate are decided in the order in which they are dispatched, or have passed the
        middleware. If the caller is cancelled or gives up, the command may or may not have an effect.

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
                writers are reported.
            wait_for: views that shall have followed the command's events before this returns.
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
            UnknownView, CallingSelf: a view isn't the application's, or waits for itself. Nothing was stored.
            ValueError: `attempts` is below 1, `timeout` isn't positive, or there is nothing of that name to return.
            TypeError: the aggregate to return isn't the one that decides the command.
            HeadwaterError: a middleware has raised that.
        """
        if attempts < 1:
            raise ValueError(f"a command must be decided at least once, not {attempts} times")
        keep_state = isinstance(returning, type | Decider)
        if isinstance(returning, type | Decider):
            self._commands.check(command, kind_of(returning))
        elif returning is not None:
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

    # --- read side -------------------------------------------------------------------------------------------

    async def query(self, query: Query[Answer], *, timeout: float | None = DISPATCH_TIMEOUT) -> Answer:
        """Ask the view that answers this kind of query. It may lag behind the log: see `wait_for`.

        Raises:
            UnknownQuery: no projection answers it.
            ViewFailed: the view stopped at an event that it couldn't digest.
            DeadlineExceeded: no answer in time.
        """
        view = self._view(self._queries.route(query)).within(timeout)
        return cast("Answer", await view.call(ViewProcess.ask, query))

    async def wait_for(
        self, view: type[Projection], position: int, *, timeout: float | None = DISPATCH_TIMEOUT
    ) -> Position:
        """Wait until a view has followed the log up to a position. Returns how far it has come.

        Args:
            view: one of the application's projections.
            position: `Committed.position`, to read your own writes.
            timeout: seconds; None waits for ever.

        Raises:
            UnknownView: the application has no such projection.
            ViewFailed: the view stopped before that position.
            DeadlineExceeded: it isn't there yet.
        """
        return await self._known_view(view).within(timeout).call(ViewProcess.reached, position)

    async def views(self) -> list[ViewStatus]:
        """How far each view has come, in the order in which they were given."""
        return [await self._view(view).call(ViewProcess.status) for view in self.projections]

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

    async def project(self, view: type[ProjectionT], *, at: Moment | None = None) -> ProjectionT:
        """A view as it was at a moment, or as the log gives it now: built afresh, beside the running one.

        Raises:
            TypeError, ValueError: `at` is no moment.
            Undecodable, UnknownType: an event that it follows can't be read.
        """
        horizon = Horizon(at)
        projection = view()
        types = view.type_names()
        async for stored in self.store.raw_all():
            if not horizon.includes(stored):
                continue
            if (stored.type, stored.schema) in types:
                projection.follow(Recorded(self.store.decode(stored), stored))
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
        store = await EventStore.open(self.url, self.codec, clock=self._clock, telemetry=self.telemetry)
        try:
            await self.pubsub.start()
            await self._system.__aenter__()
            await prepare_views(self._view_addresses)
            await self._system.start(Supervisor, self._children(store))
        except BaseException:
            await self._system.__aexit__(None, None, None)
            await store.close()
            raise
        self._store = store
        aggregates = LiveAggregates(self._system, store, self._max_live)
        self._dispatcher = Dispatcher(
            aggregates,
            ModelDecisions(store, aggregates.written),
            self._commands,
            IdSource(self._clock.wall),
            self._clock,
            self.telemetry,
            self._middleware,
            self._known_view,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store, self._store, self._dispatcher = self.store, None, None
        try:
            await self._system.__aexit__(kind, error, trace)
        finally:
            await self.pubsub.stop()
            await store.close()

    def _children(self, store: EventStore) -> list[Child]:
        views = [
            view_child(view, _view_name(view), store, self.pubsub.broadcast, self._view_addresses)
            for view in self.projections
        ]
        return [Child(SnapshotWriter, store, name=SNAPSHOTS), *views]

    def _known_view(self, view: type[Projection]) -> Pid[ViewProcess]:
        self._queries.check(view)
        return self._view(view)

    def _view(self, view: type[Projection]) -> Pid[ViewProcess]:
        self._running()
        return self._system.named(ViewProcess, _view_name(view))

    def _running(self) -> Dispatcher:
        if self._dispatcher is None:
            raise ApplicationError(f"application {self.name!r} is not running; use it in `async with`")
        return self._dispatcher


def _view_name(view: type[Projection]) -> str:
    return f"view {view.view}"


def _registry(
    deciding: Iterable[type[Deciding]], projections: Iterable[type[Projection]], events: Iterable[type[Event]]
) -> TypeRegistry:
    registry = TypeRegistry()
    evolved = [event for one in deciding for event in one.events()]
    followed = [event for projection in projections for event in projection.events()]
    for event in (*evolved, *followed, *events):
        registry.register(event, event.type_name, event.tagger)
    return registry
