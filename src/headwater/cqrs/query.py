"""What applications ask their views."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from headwater.sourcing.messages import MessageType

Answer_co = TypeVar("Answer_co", covariant=True)


class Query(msgspec.Struct, Generic[Answer_co], metaclass=MessageType):
    """A question, with the type of its answer.

        class BalanceOf(Query[int]):
            account: str

    Queries are immutable. The application has exactly one projection with an `@answer` method for it.
    """
