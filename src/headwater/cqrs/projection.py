"""Projections: views of the log that are made for reading. Pure: what follows the log is in `view_process`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar, cast, get_args

import msgspec

from headwater.codec import TypeName
from headwater.cqrs.fingerprint import fingerprint, schema_of
from headwater.cqrs.follower import Follower
from headwater.cqrs.query import Query
from headwater.errors import DefinitionError
from headwater.personal import personal_fields
from headwater.sourcing.messages import Event
from headwater.sourcing.signatures import Function, marked_methods, takes
from headwater.sourcing.stored_state import StoredState
from headwater.store.model import Recorded
from headwater.tables.table import Table

Row = TypeVar("Row", bound=msgspec.Struct)
Answer = TypeVar("Answer")
FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

Broadcast: TypeAlias = Callable[[str, object], object]
"""Sends a message to all who have subscribed to a topic: `PubSub.broadcast`."""

_PROJECT: Final = "__headwater_project__"
_ANSWER: Final = "__headwater_answer__"


def project(function: FunctionT) -> FunctionT:
    """Mark a method of a projection that follows the event which its parameter is annotated with.

    It may take a second parameter, the `Recorded` event with its position, time and metadata. It changes the
    projection, and nothing else: the view is thrown away and built again whenever that is convenient.
    """
    setattr(function, _PROJECT, True)
    return function


def answer(function: FunctionT) -> FunctionT:
    """Mark a method of a projection that answers the query which its parameter is annotated with.

    It reads the projection and changes nothing.
    """
    setattr(function, _ANSWER, True)
    return function


class Projection(Follower):
    """Base of all projections: which events it follows, and which queries it answers.

    Args of a class statement:
        version: raise it when the view is built differently; it is part of the view's name.
        name: what the view is called; the class's name if not given. Versions of one view have one name.

    Attributes:
        view: the view's name with its version, `Balances v2`.
        view_name: its name without.
        view_version: its version.
    """

    in_database: ClassVar[bool] = False
    database: ClassVar[str | None] = None
    view: ClassVar[str]
    view_name: ClassVar[str]
    view_version: ClassVar[int]
    _followers: ClassVar[dict[type, tuple[Function, bool]]] = {}
    _answers: ClassVar[dict[type, Function]] = {}

    def __init_subclass__(cls, *, version: int = 1, name: str | None = None) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, or an annotation that can't be used.
        """
        super().__init_subclass__()
        if version < 1:
            raise DefinitionError(f"{cls.__qualname__}: a projection's version starts at 1, not {version}")
        cls.view_name, cls.view_version = name or cls.__name__, version
        cls.view = f"{cls.view_name} v{version}"
        cls._followers = {
            event: (function, takes(function) > 1) for event, function in marked_methods(cls, _PROJECT, Event).items()
        }
        cls._answers = marked_methods(cls, _ANSWER, Query)

    @classmethod
    def events(cls) -> tuple[type[Event], ...]:
        """The events that it follows."""
        return tuple(cls._followers)

    @classmethod
    def queries(cls) -> tuple[type, ...]:
        """The queries that it answers."""
        return tuple(cls._answers)

    @classmethod
    def type_names(cls) -> frozenset[TypeName]:
        """The names in the log of the events that it follows."""
        return frozenset(event.type_name for event in cls.events())

    def follow(self, recorded: Recorded) -> None:
        """Let the view follow one event. Events that it has no method for change nothing."""
        event = recorded.event
        found = self._followers.get(type(event))
        if found is None:
            return
        function, wants_recorded = found
        if wants_recorded:
            function(self, event, recorded)
        else:
            function(self, event)

    def ask(self, query: Query[Answer]) -> Answer:
        """The view's answer as it stands now.

        Raises:
            DefinitionError: it has no method for this query.
        """
        function = self._answers.get(type(query))
        if function is None:
            raise DefinitionError(f"{type(self).__qualname__} has no answer for {type(query).__qualname__}")
        return cast("Answer", function(self, query))

    def go_live(self, broadcast: Broadcast) -> None:
        """Told once, when the view has caught up with the log: from now on it may tell others of what it follows.

        A view that is only built, to look at the past, never goes live. Nothing is told, unless a subclass does.
        """


class TableProjection(StoredState, Projection, Generic[Row]):
    """A view that is a table in memory, built at each start: from the log, or its last snapshot and what came after.

        class Balances(TableProjection[Balance], key="account", version=1):
            @project
            def deposited(self, event: Deposited) -> None:
                self.table.insert(...)

            @answer
            def balance_of(self, query: BalanceOf) -> int:
                row = self.table.lookup(query.account)
                return 0 if row is None else row.amount

    Each event is followed exactly once, in the order of the log.

    With `snapshot_every=100_000` the rows are kept in the event store every 100,000 events, and a start begins there.
    Each other attribute is kept with them, by its annotation in the class: `total: int = 0`. A snapshot is only a
    shortcut: one that is broken, or that other code has made, is ignored and made anew. A change of the methods, of the
    rows' class or of the arguments here is noticed; when a function changes that the methods call, raise `version`.
    Rows that an index finds may come in another order after a start from a snapshot. Views that follow personal fields
    take none: what they hold would outlive `EventStore.forget`.

    Args of a class statement:
        key: the field of the rows that they are found by, or a tuple of several.
        indexes: the fields by whose values they are found as well.
        max_rows: how many there may be; the oldest go first.
        topic: the topic in the application's PubSub under which each change of the rows is broadcast, as a
            `TableChanged`, once the view has caught up with the log; None for nowhere.
        snapshot_every: how many events lie between two snapshots, at least; none are taken if not given.
        version: raise it when the view is built differently.
        name: what the view is called; the class's name if not given.

    Attributes:
        table: the rows.
        row_class: the class of the rows.
    """

    topic: ClassVar[str | None] = None
    row_class: ClassVar[type[msgspec.Struct]]
    snapshot_every: ClassVar[int | None] = None
    _key: ClassVar[str | tuple[str, ...]]
    _indexes: ClassVar[Sequence[str]]
    _max_rows: ClassVar[int | None]
    _unstored: ClassVar[frozenset[str]] = frozenset({"table"})

    def __init_subclass__(
        cls,
        *,
        key: str | tuple[str, ...],
        indexes: Sequence[str] = (),
        max_rows: int | None = None,
        topic: str | None = None,
        snapshot_every: int | None = None,
        version: int = 1,
        name: str | None = None,
    ) -> None:
        """Take the rows' class from the base `TableProjection[Row]`.

        Raises:
            DefinitionError: the rows' class is missing, isn't frozen or has no such field; or snapshots are wanted, and
                the rows can't be put into one, or an event has personal fields.
        """
        super().__init_subclass__(version=version, name=name)
        cls.topic = topic
        cls.row_class = _row_of(cls)
        cls.snapshot_every = snapshot_every
        cls._key, cls._indexes, cls._max_rows = key, indexes, max_rows
        try:
            cls._make_table()
            if snapshot_every is not None:
                cls._check_snapshots(snapshot_every)
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__qualname__}: {error}") from error

    def __init__(self) -> None:
        self.table = cast("Table[Row]", self._make_table())

    @classmethod
    def _make_table(cls) -> Table[Any]:
        return Table(cls.row_class, cls._key, indexes=cls._indexes, max_rows=cls._max_rows)

    def go_live(self, broadcast: Broadcast) -> None:
        """Broadcast the changes of the rows from now on, if the view has a topic for them."""
        if self.topic is not None:
            self.table.subscribe(partial(broadcast, self.topic))

    # --- snapshots -------------------------------------------------------------------------------------------

    @classmethod
    def _check_snapshots(cls, every: int) -> None:
        """Raise DefinitionError unless snapshots can be taken, as far as the class tells."""
        if every < 1:
            raise DefinitionError(f"snapshot_every starts at 1, not {every}")
        schema_of(cls.row_class)
        for event in cls.events():
            if personal_fields(event) is not None:
                raise DefinitionError(
                    f"a snapshot would keep the personal fields of {event.__qualname__} once they are forgotten"
                )

    @classmethod
    def fingerprint(cls) -> str:
        """A hash of the code that builds the view. A snapshot is good for this very code.

        Raises:
            DefinitionError: an attribute's annotation can't be used for snapshots.
        """
        own = cls.dump_state is TableProjection.dump_state
        state = cls._state_codec().fingerprint if own else None
        rows = (cls._key,), [("indexes", cls._indexes), ("max_rows", cls._max_rows)]
        return fingerprint(cls, TableProjection, cls.row_class, *rows, state)

    @classmethod
    def check_state(cls) -> None:
        """Make sure that a snapshot of a new view of this class can be taken. Nothing is checked if it takes none.

        Raises:
            DefinitionError: an attribute has no annotation in the class, or can't be encoded.
        """
        if cls.snapshot_every is not None:
            cls.fingerprint()
            cls().dump_state()


def _row_of(cls: type) -> type[msgspec.Struct]:
    for base in getattr(cls, "__orig_bases__", ()):
        for argument in get_args(base):
            if isinstance(argument, type) and issubclass(argument, msgspec.Struct):
                return argument
    raise DefinitionError(f"{cls.__qualname__} must say what its rows are: TableProjection[SomeStruct]")
