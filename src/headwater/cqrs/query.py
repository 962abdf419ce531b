"""What applications ask their views."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

Answer_co = TypeVar("Answer_co", covariant=True)


class Query(msgspec.Struct, Generic[Answer_co], frozen=True):
    """A question, with the type of its answer.

        class BalanceOf(Query[int], frozen=True):
            account: str

    The application has exactly one projection with an `@answer` method for it.
    """
