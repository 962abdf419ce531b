"""A shop whose commands are validated."""

from __future__ import annotations

from typing import ClassVar

from headwater import Aggregate, Command, Event, Rejected, decide
from headwater.errors import InvalidCommand


class Order(Command):
    shop: str
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("an order like that is never built")

    def validate(self) -> None:
        if self.count == 0:
            raise InvalidCommand("the count must be positive", field="count")
        if self.count == 998:
            raise Rejected("not today")
        if self.count == 999:
            raise ZeroDivisionError("a bug")
        if self.count > 999:
            raise ValueError("too many")


class Ordered(Event, name="shop.ordered"):
    count: int


class Shop(Aggregate, identity="shop"):
    asked: ClassVar[int] = 0

    @decide
    def order(self, command: Order) -> Ordered:
        type(self).asked += 1
        return Ordered(command.count)
