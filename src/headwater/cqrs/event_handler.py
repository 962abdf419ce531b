"""Event handlers: side effects that the log drives. What runs them is in `handler_process`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import ClassVar, Final, Protocol, TypeVar, Unpack

from headwater.codec import OWN_TYPES
from headwater.cqrs.committed import Committed
from headwater.cqrs.dispatch_options import DispatchOptions
from headwater.cqrs.follower import Follower
from headwater.cqrs.handler_error import HandlerFailure
from headwater.errors import ApplicationError, DefinitionError, HeadwaterError
from headwater.pipeline.options import RateLimit, Retry, at_least_one, positive
from headwater.pubsub.broker import PubSub
from headwater.runtime.backoff import Backoff
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.signatures import Function, is_async, marked_methods, returns_nothing, takes
from headwater.store.model import Recorded, Undecoded
from headwater.store.naming import check_stream_name, check_tags
from headwater.store.query import EventQuery
from headwater.store.subscription_options import SubscriptionOptions
from headwater.store.subscription_start import Start, StartFrom, check_start

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

_HANDLE: Final = "__headwater_handle__"


def handle(function: FunctionT) -> FunctionT:
    """Mark a method of an `EventHandler` that handles the event which its parameter is annotated with.

    It may take a second parameter, the `Recorded` event with its position, time and metadata. It may be async.
    """
    setattr(function, _HANDLE, True)
    return function


class Dispatching(Protocol):
    """The application, as a handler sees it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def pubsub(self) -> PubSub:
        """Its topics: what a handler broadcasts is heard by whoever has subscribed."""

    async def dispatch(self, command: Command, **more: Unpack[DispatchOptions]) -> Committed:
        """Have a command decided. See `Application.dispatch`."""


class EventHandler(Follower):
    """Does something for each event: sends a mail, calls a service, dispatches a command. Subclass it:

        class Mailer(EventHandler, name="mailer", start_from=Start.HEAD):
            concurrency = 10

            @handle
            async def welcome(self, event: Registered, recorded: Recorded) -> None:
                await send_mail(event.address, "welcome", message_id=str(recorded.id))

    **At least once.** An event is acknowledged when its handler has returned; what was not acknowledged when the
    program died comes again. So do what can be done twice: `recorded.id` and `recorded.position` are the same each
    time.

    **Order.** Events for which `partition_by` gives the same key are handled in the order of the log, one after the
    other; by default those of one stream. Others overtake them: up to `concurrency` keys at once, and while an event
    waits to be tried again. For one order of all, let `partition_by` give the same key for all.

    **Errors.** What raises is tried again, as `retry` says, while events of its key wait behind it. Then it becomes a
    dead letter, durably, and those behind it go on; see `Application.dead_letters`. `on_error` may decide otherwise.
    An event that can't be decoded is parked at once. An application goes on whatever becomes of a handler.

    **Batches.** Instead of marked methods, a class may define `handle_batch`, which gets up to `batch_size` events.
    None waits for the others longer than `batch_timeout`. They are acknowledged together. If a batch has raised as
    often as `retry` allows, its events are tried one by one: only those are parked that can't be handled alone.

    One process at a time has a handler, among all that run the application; the others wait to take over. One object
    handles all events in one thread, at most `concurrency` async methods at a time. Its attributes live until the
    handler ends or is started anew; they are not durable.

    Args of a class statement:
        name: what it is called for ever: its place in the log is kept under it. A class without a name is a base for
            others, such as one with an `on_error` for all handlers of an application.
        start_from: where it begins if its name is new: `Start.ORIGIN`, `Start.HEAD`, a position (in one stream, a
            version), or a time.
        stream: only the events of this stream.
        category: only those of the streams whose names begin with it and a hyphen.
        tags: only events that have all of these tags.
        events: the classes of the events that `handle_batch` gets; every event if not given. Marked methods say it by
            their annotations.

    Attributes:
        concurrency: how many keys are handled at once, or batches. Only async methods can be; where all are plain
            `def … -> None`, it changes nothing.
        batch_size: how many events a batch holds at most.
        batch_timeout: seconds that the first event of a batch waits for others.
        retry: how often an event is tried, and how long it waits in between.
        rate_limit: how many events may be taken up in a time; None for any number.
        max_unacknowledged: how many events may be read and not acknowledged.
        max_parked: how many dead letters may be open. The handler stops before one more, since then something is wrong
            with more than an event.
        shutdown: seconds that it may take to finish what is under way when the application ends.
        lease: for how many seconds no other process can have it if this one dies. On SQLite its successor has it at
            once; on PostgreSQL it waits too.
        application: the application that runs it.
    """

    handler: ClassVar[str] = ""
    start_from: ClassVar[StartFrom] = Start.ORIGIN
    stream: ClassVar[str | None] = None
    category: ClassVar[str | None] = None
    query: ClassVar[EventQuery] = EventQuery()
    by_batch: ClassVar[bool] = False
    _methods: ClassVar[dict[type[Event], tuple[Function, bool]]] = {}
    _events: ClassVar[tuple[type[Event], ...]] = ()

    concurrency: int = 1
    batch_size: int = 100
    batch_timeout: float = 0.1
    retry: Retry = Retry(10, Backoff(0.1, 30.0))
    rate_limit: RateLimit | None = None
    max_unacknowledged: int = 1_000
    max_parked: int = 10_000
    shutdown: float = 5.0
    lease: float = 10.0
    _application: Dispatching | None = None

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        start_from: StartFrom = Start.ORIGIN,
        stream: str | None = None,
        category: str | None = None,
        tags: Iterable[str] = (),
        events: Sequence[type[Event]] = (),
    ) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: a name, an option, a method or its annotation can't be used.
        """
        super().__init_subclass__()
        cls.handler, cls.start_from, cls.stream, cls.category = name or "", start_from, stream, category
        cls.by_batch = cls.handle_batch is not EventHandler.handle_batch
        marked = marked_methods(cls, _HANDLE, Event, may_be_async=True)
        cls._methods = {event: (function, takes(function) > 1) for event, function in marked.items()}
        cls._events = tuple(events) or tuple(cls._methods)
        if name is None:
            return
        try:
            _check(cls, given=tuple(events))
            types = [event.type_name.name for event in cls._events]
            cls.query = EventQuery.of(*types, tags=check_tags(tags))
        except (HeadwaterError, TypeError) as error:
            raise DefinitionError(f"{cls.__qualname__}: {error}") from error

    # --- what a subclass defines -----------------------------------------------------------------------------

    def init(self) -> object:
        """Set up what it needs, such as a connection. May be async. If it raises, it is tried again later."""
        return None

    def close(self) -> object:
        """Give back what `init` has set up. May be async. What it raises is logged."""
        return None

    def partition_by(self, recorded: Recorded) -> Hashable:
        """The key of an event: events of one key are handled in their order. By default its stream."""
        return recorded.stream

    def handle_batch(self, events: list[Recorded]) -> object:
        """Handle events together. May be async. If it raises, none of them is handled."""
        raise NotImplementedError(f"{type(self).__qualname__} has no handle_batch")

    def on_error(self, failure: HandlerFailure) -> object:
        """Decide what becomes of an event whose handler raised: return a `Verdict`, or None for what `retry` says.

        May be async. `Skip` and `Park` for a batch let its events be tried one by one first. What it raises is logged.
        """
        return None

    def before_reset(self) -> object:
        """Undo, before the handler begins anew, what must not be there twice. May be async. If it raises, no reset."""
        return None

    # --- what it is given ------------------------------------------------------------------------------------

    @property
    def application(self) -> Dispatching:
        """The application that runs it.

        Raises:
            ApplicationError: none does.
        """
        if self._application is None:
            raise ApplicationError(f"{type(self).__qualname__} is run by no application")
        return self._application

    def bind(self, application: Dispatching) -> None:
        """Tell it which application runs it. Used by the application."""
        self._application = application

    # --- what runs it uses -----------------------------------------------------------------------------------

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that it handles; none if it takes every event."""
        return cls._events

    @classmethod
    def subscription(cls) -> str:
        """The name of its subscription in the store."""
        return f"handler {cls.handler}"

    @classmethod
    def may_wait(cls) -> bool:
        """Whether one of its methods may be async. If none is, two events are never handled at once."""
        if cls.handle_one is not EventHandler.handle_one or is_async(cls.on_error):
            return True
        return any(is_async(function) or not returns_nothing(function) for function, _ in cls._methods.values())

    def wants(self, recorded: Recorded) -> bool:
        """Whether an event that the store has found for it is one to handle."""
        if recorded.type.startswith(OWN_TYPES):
            return False
        if self.category is not None and not recorded.stream.startswith(self.category + "-"):
            return False
        event = recorded.event
        return not self._events or type(event) in self._events or isinstance(event, Undecoded)

    def handle_one(self, recorded: Recorded) -> object:
        """Handle an event that it wants. Returns a coroutine if its method is async."""
        if self.by_batch:
            return self.handle_batch([recorded])
        function, wants_recorded = self._methods[type(recorded.event)]  # type: ignore[index]  # it is an Event
        return function(self, recorded.event, recorded) if wants_recorded else function(self, recorded.event)


def _check(cls: type[EventHandler], given: tuple[object, ...]) -> None:
    if not cls.handler:
        raise DefinitionError("a handler's name is empty")
    SubscriptionOptions(name=cls.subscription(), max_unacknowledged=cls.max_unacknowledged, lease=cls.lease).check()
    check_stream_name(f"dead-letters-{cls.handler}")
    check_start(cls.start_from)
    if cls.stream is not None:
        check_stream_name(cls.stream)
    _check_methods(cls, given)
    at_least_one("concurrency", cls.concurrency)
    at_least_one("max_parked", cls.max_parked)
    at_least_one("batch_size", cls.batch_size)
    positive("batch_timeout", cls.batch_timeout)
    positive("shutdown", cls.shutdown)
    if cls.by_batch and cls.batch_size > cls.max_unacknowledged:
        raise DefinitionError(
            f"batches of {cls.batch_size} would never be full: max_unacknowledged is {cls.max_unacknowledged}"
        )


def _check_methods(cls: type[EventHandler], given: tuple[object, ...]) -> None:
    marked = [function.__name__ for function, _ in cls._methods.values()]
    if cls.by_batch and marked:
        raise DefinitionError(f"it has handle_batch, so {marked[0]} can't be marked with @handle too")
    if not cls.by_batch and not marked:
        raise DefinitionError("it handles nothing: mark methods with @handle, or define handle_batch")
    if given and not cls.by_batch:
        raise DefinitionError("its methods say which events it handles; `events` is for handle_batch")
    for event in given:
        if not (isinstance(event, type) and issubclass(event, Event)):
            raise DefinitionError(f"`events` are classes of events, not {event!r}")
