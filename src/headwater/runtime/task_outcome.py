"""How a task went."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec

from headwater.runtime.exits import Reason

Result_co = TypeVar("Result_co", covariant=True)


class Returned(msgspec.Struct, Generic[Result_co], frozen=True):
    """The task's function returned.

    Attributes:
        value: what it returned.
    """

    value: Result_co


class Ended(msgspec.Struct, frozen=True):
    """The task ended without a result.

    Attributes:
        reason: why: what its function raised, a `DeadlineExceeded`, or an exit signal's reason.
        item: in a stream, the item that it was started for.
    """

    reason: Reason
    item: object = None


Outcome: TypeAlias = "Returned[Result_co] | Ended"
"""What is left of a task, to be matched: `case Returned(value)` or `case Ended(reason)`."""
