"""The application: what everybody uses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from headwater.app.handling import HandlingApplication
from headwater.app.parts import Parts
from headwater.app.reacting import ReactingApplication
from headwater.app.reading import ReadingApplication
from headwater.app.remembering import RememberingApplication
from headwater.app.run import Run
from headwater.app.writing import WritingApplication
from headwater.clock import Clock, Rng, SystemClock
from headwater.cqrs.blueprint import Blueprint
from headwater.cqrs.dispatch import Dispatcher
from headwater.cqrs.failure import Parking
from headwater.cqrs.handler_instance import HandlerDefinition
from headwater.cqrs.handlers import Handlers
from headwater.cqrs.live_aggregates import MAX_LIVE, LiveAggregates
from headwater.cqrs.middleware import Middleware
from headwater.cqrs.model_decisions import ModelDecisions
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.projection import Projection
from headwater.cqrs.snapshot_writer import SNAPSHOTS, SnapshotWriter
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.views import Views
from headwater.errors import ApplicationError
from headwater.pubsub.broker import PubSub
from headwater.runtime.child import Child
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider
from headwater.sourcing.decision_model import ModelClass
from headwater.sourcing.messages import Event
from headwater.store.store import EventStore
from headwater.telemetry import Telemetry
from headwater.types import IdSource
from headwater.upcaster import AnyUpcaster


class Application(
    WritingApplication, ReadingApplication, ReactingApplication, HandlingApplication, RememberingApplication
):
    """Aggregates that decide, a log that remembers, views that answer.

        bank = Application("bank", store="sqlite:///bank.db", aggregates=[Account], projections=[Balances])

        async with bank:
            done = await bank.dispatch(Deposit("a-1", 50))
            await bank.wait_for(Balances, done.position)
            print(await bank.query(BalanceOf("a-1")))

    On entering, the store is opened and every view follows the log to its head, however long that takes; `catch_up`
    says otherwise. On leaving, what was dispatched becomes durable and is answered, then everything is closed. A start
    that fails, and leaving that is cancelled, close everything that was opened too.

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
            one type name; one is of another kind than it should be; a `SQLProjection` names no proper database.
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
        blueprint = Blueprint(
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
        self.url = store
        self.view_places = ViewPlaces(store, view_database)
        self.run_handlers = True
        self.telemetry = telemetry or Telemetry(clock or SystemClock())
        self.pubsub = PubSub(telemetry=self.telemetry)
        self._clock = clock or SystemClock()
        self._given = (clock, rng, telemetry)
        self._parking = parking
        self._max_live = max_live
        self._master_key = master_key
        self._catch_up = catch_up
        self._closing = AsyncExitStack()
        parts = Parts(blueprint, parking)
        system = System(name, clock=self._clock, rng=rng, telemetry=self.telemetry, shutdown=30.0)
        views = Views(blueprint.projections, system, parts.codec.types, self.view_places, catch_up)
        super().__init__(name, parts, views, system)

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

    # --- running ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Application:
        if self._run is not None:
            raise ApplicationError(f"application {self.name!r} is running already")
        async with AsyncExitStack() as closing:
            await self._start(closing)
            self._closing = closing.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now()
        await self._closing.__aexit__(kind, error, trace)

    async def _start(self, closing: AsyncExitStack) -> None:
        """Start all parts. Whatever has been started is closed by `closing`, the last one first."""
        store = await EventStore.open(
            self.url, self.codec, clock=self._clock, telemetry=self.telemetry, master_key=self._master_key
        )
        closing.push_async_callback(store.close)
        closing.push_async_callback(self.pubsub.stop)
        await self.pubsub.start()
        await closing.enter_async_context(self._system)
        await self._system.start(Supervisor, await self._children(store))
        closing.push_async_callback(self._reactions.stop)
        closing.callback(self._leave)
        handlers = Handlers(self.handlers, self._system, store, self)
        self._run = run = Run(store, self._dispatcher(store), handlers)
        run.scheduling = await self._reactions.start(self._system, store, run.dispatcher, self._clock)
        await handlers.start(run=self.run_handlers)
        closing.push_async_callback(handlers.drain)  # while what they do, such as dispatching commands, still works

    async def _children(self, store: EventStore) -> list[Child]:
        views = await self._views.children(store, self.pubsub.broadcast)
        return [Child(SnapshotWriter, store, name=SNAPSHOTS), *views]

    def _dispatcher(self, store: EventStore) -> Dispatcher:
        aggregates = LiveAggregates(self._system, store, self._max_live)
        return Dispatcher(
            aggregates,
            ModelDecisions(store, aggregates.foreign),
            self._commands,
            IdSource(self._clock.wall),
            self._clock,
            self.telemetry,
            self.blueprint.middleware,
            self._follower,
        )

    def _leave(self) -> None:
        self._run = None
