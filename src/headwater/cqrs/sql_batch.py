"""What a view in a database does with a batch of events, as statements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from sqlalchemy import Executable

from headwater.store.model import Recorded, StoredEvent

Statement: TypeAlias = Executable | tuple[Executable, Mapping[str, object]]
"""A statement of SQLAlchemy Core, alone or with its parameters."""

Follow: TypeAlias = Callable[[Recorded], Iterable[Statement]]
"""Gives the statements of one event: `SQLProjection.statements`."""


_STORED: Final = attrgetter("stored.position")


class Batch(NamedTuple):
    """A stretch of the log, as one partition of a view has to follow it.

    Attributes:
        partition: its number.
        after: the position up to which the partition has followed.
        upto: the position up to which it will have.
        last_id: the 16 bytes of the identifier of the event there.
        events: the partition's events in between that the view follows.
    """

    partition: int
    after: int
    upto: int
    last_id: bytes
    events: Sequence[Recorded]


class Run(NamedTuple):
    """One statement, executed once for each set of parameters; once without any if there is none.

    Attributes:
        statement: the statement.
        many: the sets of parameters.
    """

    statement: Executable
    many: list[Mapping[str, object]]


class Failure(NamedTuple):
    """An event that could not be followed.

    Attributes:
        stored: the event.
        error: what was raised.
    """

    stored: StoredEvent
    error: Exception


class Statements:
    """Statements in their order. Neighbours that are one object, with parameters of the same names, are one run."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def add(self, statements: Iterable[Statement]) -> None:
        """Append the statements of one event: all of them, or none if it raises.

        Raises:
            TypeError: one of them is none.
            Exception: what the iterable raises.
        """
        runs, last = len(self.runs), len(self.runs[-1].many) if self.runs else 0
        try:
            for one in statements:
                self._add(one)
        except BaseException:
            del self.runs[runs:]
            if runs:
                del self.runs[-1].many[last:]
            raise

    def _add(self, one: Statement) -> None:
        match one:
            case (Executable() as statement, Mapping() as parameters):
                self._add_parameters(statement, parameters)
            case Executable():
                self.runs.append(Run(one, []))
            case _:
                raise TypeError(f"a projection yields statements, alone or with a dict of parameters, not {one!r}")

    def _add_parameters(self, statement: Executable, parameters: Mapping[str, object]) -> None:
        if self.runs:
            last, many = self.runs[-1]
            # Were the names others, those that the first set doesn't have would be dropped without a word.
            if last is statement and many and many[0].keys() == parameters.keys():
                many.append(parameters)
                return
        self.runs.append(Run(statement, [parameters]))


def whole(events: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """The parts that were made of each event of the log: one, unless upcasters split it."""
    return (list(parts) for _, parts in groupby(events, key=_STORED))


def collect(follow: Follow, events: Iterable[Recorded]) -> tuple[list[Run], Failure | None]:
    """The statements of a batch, up to the first event whose method raises."""
    statements = Statements()
    for parts in whole(events):
        try:
            statements.add(chain.from_iterable(map(follow, parts)))
        except Exception as error:  # noqa: BLE001 - whatever it is, only this view stops
            return statements.runs, Failure(parts[0].stored, error)
    return statements.runs, None
