"""Projections: views of the log that are made for reading. Pure: what follows the log is in `view_process`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar, cast, get_args

import msgspec

from headwater.codec import TypeName
from headwater.cqrs.query import Query
from headwater.errors import DefinitionError
from headwater.sourcing.messages import Event
from headwater.sourcing.signatures import Function, marked_methods, takes
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


class Projection:
    """Base of all projections: which events it follows, and which queries it answers.

    Args of a class statement:
        version: raise it when the view is built differently; it is part of the view's name.
        name: what the view is called; the class's name if not given.
    """

    in_database: ClassVar[bool] = False
    database: ClassVar[str | None] = None
    view: ClassVar[str]
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
        cls.view = f"{name or cls.__name__} v{version}"
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


class TableProjection(Projection, Generic[Row]):
    """A view that is a table in memory, built from the log at each start.

        class Balances(TableProjection[Balance], key="account", version=1):
            @project
            def deposited(self, event: Deposited) -> None:
                self.table.insert(...)

            @answer
            def balance_of(self, query: BalanceOf) -> int:
                row = self.table.lookup(query.account)
                return 0 if row is None else row.amount

    Each event is followed exactly once, in the order of the log.

    Args of a class statement:
        key: the field of the rows that they are found by, or a tuple of several.
        indexes: the fields by whose values they are found as well.
        max_rows: how many there may be; the oldest go first.
        topic: the topic in the application's PubSub under which each change of the rows is broadcast, as a
            `TableChanged`, once the view has caught up with the log; None for nowhere.
        version: raise it when the view is built differently.
        name: what the view is called; the class's name if not given.

    Attributes:
        table: the rows.
    """

    topic: ClassVar[str | None] = None
    _make_table: ClassVar[partial[Table[Any]]]

    def __init_subclass__(
        cls,
        *,
        key: str | tuple[str, ...],
        indexes: Sequence[str] = (),
        max_rows: int | None = None,
        topic: str | None = None,
        version: int = 1,
        name: str | None = None,
    ) -> None:
        """Take the rows' class from the base `TableProjection[Row]`.

        Raises:
            DefinitionError: the rows' class is missing, isn't frozen or has no such field.
        """
        super().__init_subclass__(version=version, name=name)
        cls.topic = topic
        cls._make_table = partial(Table, _row_of(cls), key, indexes=indexes, max_rows=max_rows)
        try:
            cls._make_table()
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__qualname__}: {error}") from error

    def __init__(self) -> None:
        self.table = cast("Table[Row]", self._make_table())

    def go_live(self, broadcast: Broadcast) -> None:
        """Broadcast the changes of the rows from now on, if the view has a topic for them."""
        if self.topic is not None:
            self.table.subscribe(partial(broadcast, self.topic))


def _row_of(cls: type) -> type[msgspec.Struct]:
    for base in getattr(cls, "__orig_bases__", ()):
        for argument in get_args(base):
            if isinstance(argument, type) and issubclass(argument, msgspec.Struct):
                return argument
    raise DefinitionError(f"{cls.__qualname__} must say what its rows are: TableProjection[SomeStruct]")
