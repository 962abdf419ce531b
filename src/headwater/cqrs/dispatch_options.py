"""What can be said of a dispatch besides the command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypedDict
from uuid import UUID

from headwater.cqrs.committed import Committed, CommittedState
from headwater.cqrs.follower import Follower
from headwater.errors import InternalError
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider, seen
from headwater.store.model import Recorded

Returning: TypeAlias = Literal["events", "version", "position"] | type[Aggregate] | Decider[object]
"""What `Application.dispatch` returns instead of a `Committed`."""


class DispatchOptions(TypedDict, total=False):
    """The keywords of `Application.dispatch`, which tells what they mean."""

    metadata: Mapping[str, object] | None
    id: UUID | None
    correlation: UUID | None
    because: Recorded | None
    timeout: float | None
    attempts: int
    wait_for: Sequence[type[Follower]]


_PARTS: Final[Mapping[str, Callable[[Committed], object]]] = {
    "events": lambda committed: committed.events,
    "version": lambda committed: committed.version,
    "position": lambda committed: committed.position,
}


def check_part(name: object) -> None:
    """Raise ValueError unless an answer has a part of this name."""
    if name not in _PARTS:
        raise ValueError(f"returning is one of {', '.join(_PARTS)}, or an aggregate's class, not {name!r}")


async def returned(answer: Awaitable[Committed], returning: Returning) -> object:
    """That part of an answer."""
    committed = await answer
    if isinstance(returning, str):
        return _PARTS[returning](committed)
    if isinstance(committed, CommittedState):
        return seen(committed.state)
    raise InternalError(f"the state of {committed.stream!r} was asked for, and not kept")


def check_id(id: object) -> None:  # noqa: A002 - the field's term
    """Look at what identifies a command.

    Raises:
        TypeError: it is no UUID.
    """
    if id is not None and not isinstance(id, UUID):
        raise TypeError(f"a command's id is a UUID, not {id!r}")
