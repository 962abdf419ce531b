"""`given`: where every scenario begins."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from headwater.cqrs.projection import Projection
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, kind_of
from headwater.sourcing.decision_model import DecisionModel
from headwater.testing.scenario.deciding import Given
from headwater.testing.scenario.projecting import View
from headwater.testing.scenario.reacting import Instance, ReactingT
from headwater.testing.scenario.subjects import AggregateSubject, ModelSubject

AggregateT = TypeVar("AggregateT", bound=Aggregate)
ModelT = TypeVar("ModelT", bound=DecisionModel[Any])
ProjectionT = TypeVar("ProjectionT", bound=Projection)
StateT = TypeVar("StateT")


@overload
def given(part: type[AggregateT], id: str) -> Given[AggregateT]: ...
@overload
def given(part: Decider[StateT], id: str) -> Given[StateT]: ...
@overload
def given(part: type[ReactingT], id: str) -> Instance[ReactingT]: ...
@overload
def given(part: type[ModelT]) -> Given[ModelT]: ...
@overload
def given(part: type[ProjectionT]) -> View[ProjectionT]: ...
def given(part: object, id: str | None = None) -> object:  # noqa: A002 - the field's term
    """Begin a scenario about one part of an application, without a store and without an event loop.

        given(Account, "a-1").events(Deposited(50)).when(Withdraw("a-1", 20)).then(Withdrawn(20)).then_state(balance=30)

        given(Account, "a-1").when(Withdraw("a-1", 20)).then_rejected(match="doesn't cover")

        given(Transfer, "t-1").events(Requested("t-1", "a", "b", 50)).when(Withdrawn(50)).then(Deposit("b", 50))

        given(Balances).events(Deposited(50), stream=Account.stream_of("a-1")).then(BalanceOf("a-1"), 50)

    What differs is told by an `AssertionError`, field by field, so that it works with every test runner. A scenario
    also fails when the part breaks a rule on which it depends in an application: an event that doesn't come back from
    its JSON as it was; a `decide` that changes the state other than by its events.

    Args:
        part: the class of an aggregate, of a process manager, of a decision model, or of a projection; or a `Decider`.
        id: which aggregate, or which instance of a process manager; for nothing else.

    Raises:
        TypeError: it is none of these, or an aggregate without an id, or something else with one.
    """
    if isinstance(part, Decider) or (isinstance(part, type) and issubclass(part, Aggregate)):
        if id is None:
            raise TypeError(f"say which one: given({_name(part)}, id)")
        return Given[object](AggregateSubject(kind_of(part), id))
    if id is not None and isinstance(part, type) and hasattr(part, "react"):
        return Instance(part, id)
    if id is not None or not isinstance(part, type):
        raise TypeError(
            f"an aggregate or a process manager with an id, or a decision model or a projection, "
            f"not {_name(part)} with {id!r}"
        )
    if issubclass(part, DecisionModel):
        return Given[object](ModelSubject(part))
    if issubclass(part, Projection):
        return View(part)
    raise TypeError(f"{_name(part)} is no aggregate, decision model or projection")


def _name(part: object) -> str:
    return part.__qualname__ if isinstance(part, type) else repr(part)
