"""Process managers: from events to commands, over time. Pure: no I/O, no clock, no loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import GeneratorType
from typing import ClassVar, Final

from headwater.cqrs.committed import Committed
from headwater.cqrs.due import microseconds_of
from headwater.cqrs.failure import Failure, Resolution, RetryIn
from headwater.cqrs.reacting import ACCEPTED, REACT, REJECTED, Mark, Mode
from headwater.cqrs.reaction import IGNORED, Reaction, TimerSet
from headwater.cqrs.reactor import Reactor, expirations_of, reactor_of
from headwater.cqrs.timer_events import TimerFired
from headwater.errors import DefinitionError, InstanceAlreadyStarted, InstanceNotStarted, Rejected, one_of
from headwater.runtime.backoff import Backoff
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.naming import kebab
from headwater.sourcing.signatures import Function, marked_methods, takes
from headwater.sourcing.stored_state import StoredState
from headwater.store.model import Recorded
from headwater.store.subscription_start import Start, StartFrom

LONGEST_NAME: Final = 100
"""How many characters the name of a process manager may have."""

_BACKOFF: Final = Backoff(0.1, 10.0)


class _Wishes:
    """What a method has asked for besides yielding commands."""

    def __init__(self) -> None:
        self.timers: dict[str, TimerSet] = {}
        self.cancelled: dict[str, None] = {}
        self.stopped = False
        self.discarded = False


class ProcessManager(StoredState):
    """Coordinates several aggregates: it follows events, and its instances answer with commands.

        class Transfer(ProcessManager, identity="transfer"):
            source: str = ""
            target: str = ""
            amount: int = 0

            @starts
            def requested(self, event: TransferRequested) -> Iterator[Command]:
                self.source, self.target, self.amount = event.source, event.target, event.amount
                yield Withdraw(event.source, event.amount)

            @continues(by=By.SENDER)
            def withdrawn(self, event: Withdrawn) -> Iterator[Command]:
                yield Deposit(self.target, self.amount)

            @stops(by=By.SENDER)
            def deposited(self, event: Deposited) -> None: ...

            @rejected
            def refused(self, command: Withdraw, rejection: Rejected) -> None:
                self.stop()

    An instance's attributes are its state: annotate them, with values that fit into JSON. Its methods change them,
    yield commands (or return one, a list, or None), and do nothing else: no I/O, no clock, no chance. They are run
    again when what they have decided could not be stored.

    Each step of an instance, that is its state, its commands and its timers, is stored in one transaction. Its commands
    are dispatched after that, one after the other, each with an identifier that depends only on what led to it; so
    after a crash they are dispatched again and have one effect. One that was rejected, or had nothing to do, has none
    after that is stored, also if another node has dispatched it at the same time. Then the next event comes. Events of
    one instance come in the order of the log; other instances have queues of their own and don't wait for it.

    Args of a class statement:
        name: what it is called in the log and in the metadata of its commands' events, and what the names of its
            streams begin with: it must never change. The class's name in kebab case if not given.
        identity: the field of the events that names the instance; a method may say otherwise, see `starts`.
        start_from: where in the log it begins when it runs for the first time.
        timeout: seconds that each dispatch of a command may take.
        attempts: how often an event or a command is tried, unless `failed` says otherwise.
        backoff: how long to wait between two tries.
        max_live: how many instances may be in memory; at least 1.
        idle: seconds after which an instance without work leaves memory.

    Attributes:
        id: which instance it is.
        running: whether it has started and not stopped.
    """

    category: ClassVar[str]
    identity: ClassVar[str | None] = None
    start_from: ClassVar[StartFrom] = Start.ORIGIN
    timeout: ClassVar[float] = 30.0
    attempts: ClassVar[int] = 8
    backoff: ClassVar[Backoff] = _BACKOFF
    max_live: ClassVar[int] = 1_000
    idle: ClassVar[float] = 60.0
    _reactors: ClassVar[dict[type[Event], Reactor]] = {}
    _rejections: ClassVar[dict[type[Command], Function]] = {}
    _acceptances: ClassVar[dict[type[Command], Function]] = {}
    _expirations: ClassVar[dict[str, Function]] = {}
    _unstored: ClassVar[frozenset[str]] = frozenset({"id", "running", "_wishes"})

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's term
        self.id = id
        self.running = False
        self._wishes = _Wishes()

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        identity: str | None = None,
        start_from: StartFrom = Start.ORIGIN,
        timeout: float = 30.0,
        attempts: int = 8,
        backoff: Backoff = _BACKOFF,
        max_live: int = 1_000,
        idle: float = 60.0,
    ) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, an event without the field that names its instance, an
                annotation that can't be used, no method that starts an instance, or a number out of its range.
        """
        super().__init_subclass__()
        cls.category = name or kebab(cls.__name__)
        cls.identity, cls.start_from, cls.timeout = identity, start_from, timeout
        cls.attempts, cls.backoff, cls.max_live, cls.idle = attempts, backoff, max_live, idle
        found = marked_methods(cls, REACT, Event)
        cls._reactors = {event: reactor_of(cls, event, function, cls.identity) for event, function in found.items()}
        cls._rejections = marked_methods(cls, REJECTED, Command)
        cls._acceptances = marked_methods(cls, ACCEPTED, Command)
        cls._expirations = expirations_of(cls)
        cls._check()

    # --- what it is for --------------------------------------------------------------------------------------

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that it follows."""
        return tuple(cls._reactors)

    @classmethod
    def answered_commands(cls) -> tuple[type[Command], ...]:
        """The commands of whose acceptance or rejection it wants to hear."""
        return tuple(dict.fromkeys((*cls._acceptances, *cls._rejections)))

    @classmethod
    def stream_of(cls, id: str) -> str:  # noqa: A002 - the field's term
        """The name of the stream that holds an instance's steps."""
        return f"{cls.category}-{id}"

    @classmethod
    def instances(cls, recorded: Recorded) -> tuple[str, ...]:
        """The ids of the instances that an event is for, each once. They need not have been started.

        Raises:
            DefinitionError: what should name the instance gave something else.
            Exception: whatever the function that was given as `by` raises.
        """
        event = recorded.event
        if isinstance(event, TimerFired):
            return (event.instance,) if event.manager == cls.category and event.instance else ()
        reactor = cls._reactors.get(type(event))  # type: ignore[arg-type]  # any class may be asked for
        return () if reactor is None else reactor.instances(cls.category, recorded)

    # --- what happens to it ----------------------------------------------------------------------------------

    def react(self, event: Event, recorded: Recorded | None = None) -> Reaction:
        """Let the instance follow an event, and tell what it wants to happen.

        If this raises, the instance may have followed half of it: throw it away.

        Args:
            event: what happened.
            recorded: the same with all that the log knows of it, for methods that want that.

        Raises:
            InstanceAlreadyStarted, InstanceNotStarted: the event's method is strict.
            DefinitionError: a method gave something that is no command; or it wants `recorded`.
            Exception: whatever the method raises.
        """
        reactor = self._reactors.get(type(event))
        if reactor is None or not self._concerned(reactor.mark, event):
            return IGNORED
        if reactor.wants_recorded and recorded is None:
            raise DefinitionError(f"{reactor.function.__qualname__} wants the Recorded event as well: give it")
        if reactor.mark.mode is Mode.START and not self.running:
            self._begin()
        arguments = (event, recorded) if reactor.wants_recorded else (event,)
        return self._reaction(reactor.function, arguments, stop=reactor.mark.mode is Mode.STOP)

    def react_to_timer(self, timer: str) -> Reaction:
        """Let the instance follow that one of its timers has run out.

        Raises:
            DefinitionError: no method is for it, or it gave something that is no command.
            Exception: whatever the method raises.
        """
        return self._reaction(self._expiration(timer), ()) if self.running else IGNORED

    def react_to_rejection(self, command: Command, rejection: Rejected) -> Reaction:
        """Let the instance compensate for one of its commands, which was rejected. Ignored without a method for it.

        Raises:
            DefinitionError: the method gave something that is no command.
            Exception: whatever the method raises.
        """
        function = self._rejections.get(type(command))
        return IGNORED if function is None else self._reaction(function, (command, rejection))

    def react_to_acceptance(self, command: Command, committed: Committed) -> Reaction:
        """Let the instance follow that one of its commands has had its effect. Ignored without a method for it.

        Raises:
            DefinitionError: the method gave something that is no command.
            Exception: whatever the method raises.
        """
        function = self._acceptances.get(type(command))
        return IGNORED if function is None else self._reaction(function, (command, committed))

    def failed(self, failure: Failure) -> Resolution | RetryIn:
        """Decide what is done about an event that can't be handled, or a command that can't be dispatched.

        Not about rejections: those are answers, see `rejected`. Reads the instance and changes nothing. By default it
        is tried again, with growing delays, as often as the class says, unless that is hopeless; then it is parked.
        """
        if failure.hopeless or failure.attempts >= self.attempts:
            return Resolution.PARK
        return RetryIn(failure.delay)

    # --- what its methods use --------------------------------------------------------------------------------

    def set_timer(self, name: str, *, after: float | None = None, at: datetime | None = None) -> None:
        """Have the method that `@expires(name)` marks run later. A timer of this name that runs is replaced.

        It is stored with the step, and survives restarts. The end of the instance cancels it.

        Args:
            name: which timer.
            after: seconds from now, that is from when the step is taken; at most a thousand years.
            at: or the moment, with a time zone.

        Raises:
            DefinitionError: no method is marked for it.
            ValueError: not one of `after` and `at` is given, or it isn't possible.
        """
        self._expiration(name)
        if (after is None) == (at is None):
            raise ValueError(f"timer {name!r} needs either `after` or `at`")
        if after is not None:
            microseconds_of(after, f"timer {name!r} ends")  # raises if it can't be
        if at is not None and at.tzinfo is None:
            raise ValueError(f"{at!r} has no time zone; give it one, e.g. tzinfo=datetime.UTC")
        self._wishes.cancelled.pop(name, None)
        self._wishes.timers[name] = TimerSet(name, after, at)

    def cancel_timer(self, name: str) -> None:
        """Cancel a timer. Harmless when it doesn't run."""
        self._wishes.timers.pop(name, None)
        self._wishes.cancelled[name] = None

    def stop(self) -> None:
        """End the instance with this step. What the step yields is still dispatched; its timers are cancelled."""
        self._wishes.stopped = True

    def discard_pending(self) -> None:
        """Don't dispatch the commands that earlier steps have yielded and that still wait."""
        self._wishes.discarded = True

    # --- its state -------------------------------------------------------------------------------------------

    def dump_state(self) -> bytes:
        """The attributes as JSON.

        Raises:
            DefinitionError: an attribute has no annotation, or can't be encoded.
        """
        return self._state_codec().dump_json(vars(self))

    def load_state(self, data: bytes | memoryview) -> None:
        """Take over the attributes that `dump_state` has given. Called on a new instance.

        Raises:
            msgspec.DecodeError: the JSON doesn't fit the class.
        """
        for name, value in self._state_codec().load_json(data).items():
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _seen(self) == _seen(other)

    __hash__ = None  # type: ignore[assignment]  # instances change

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in _seen(self).items())
        return f"{type(self).__qualname__}({fields})"

    # --- inside ----------------------------------------------------------------------------------------------

    def _concerned(self, mark: Mark, event: Event) -> bool:
        if mark.mode is Mode.START:
            if self.running and mark.strict:
                raise InstanceAlreadyStarted(
                    f"instance {self.id!r} of {self.category!r} runs already, and {type(event).__qualname__} would "
                    "start it"
                )
            return True
        if not self.running and mark.strict:
            raise InstanceNotStarted(
                f"no instance {self.id!r} of {self.category!r} runs, and {type(event).__qualname__} is for it"
            )
        return self.running

    def _begin(self) -> None:
        """Start, without what an earlier run of the same id has left."""
        fresh = type(self)(self.id)
        vars(self).clear()
        vars(self).update(vars(fresh))
        self.running = True

    def _reaction(self, function: Function, arguments: tuple[object, ...], *, stop: bool = False) -> Reaction:
        self._wishes = _Wishes()
        commands = tuple([self._checked(one) for one in _each(function(self, *arguments))])
        wishes, self._wishes = self._wishes, _Wishes()
        stopped = stop or wishes.stopped
        self.running = self.running and not stopped
        timers = () if stopped else tuple(wishes.timers.values())
        return Reaction(commands, timers, tuple(wishes.cancelled), stopped, wishes.discarded)

    def _checked(self, command: object) -> Command:
        if not isinstance(command, Command):
            raise DefinitionError(f"{type(self).__qualname__} gave {command!r}, which is no Command")
        return command

    def _expiration(self, timer: str) -> Function:
        function = self._expirations.get(timer)
        if function is None:
            raise DefinitionError(
                f"{type(self).__qualname__} has no method for the timer {timer!r}: mark one with @expires; there are "
                f"{one_of(sorted(self._expirations))}"
            )
        return function

    @classmethod
    def _check(cls) -> None:
        if not any(reactor.mark.mode is Mode.START for reactor in cls._reactors.values()):
            raise DefinitionError(f"{cls.__qualname__} can never start: mark a method with @starts")
        if not cls.category.isprintable() or len(cls.category) > LONGEST_NAME:
            raise DefinitionError(
                f"a process manager's name has up to {LONGEST_NAME} printable characters, not {cls.category!r}"
            )
        if cls.attempts < 1 or cls.max_live < 1:
            raise DefinitionError(f"{cls.__qualname__}: attempts and max_live start at 1")
        if not (cls.timeout > 0 and cls.idle > 0):
            raise DefinitionError(f"{cls.__qualname__}: timeout and idle are positive numbers of seconds")
        for function in (*cls._rejections.values(), *cls._acceptances.values()):
            if takes(function) != 2:
                raise DefinitionError(f"{function.__qualname__} must take the command, and how it ended")


def _seen(manager: ProcessManager) -> dict[str, object]:
    return {name: value for name, value in vars(manager).items() if name != "_wishes"}


def _each(outcome: object) -> Iterable[object]:
    if outcome is None:
        return ()
    return outcome if isinstance(outcome, list | tuple | GeneratorType) else (outcome,)
