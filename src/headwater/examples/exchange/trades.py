"""Compares the trades that an engine made with those that an exchange recorded."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from headwater.examples.exchange.messages import Traded
from headwater.examples.exchange.recording import RecordedTrade


class TradeKey(NamedTuple):
    """What makes two trades the same: who bought from whom, how much, and at what price."""

    buyer: int
    seller: int
    volume: int
    price: int


class TradeComparison(NamedTuple):
    """How two lists of trades agree.

    ``engine == identical + len(only_engine)`` and ``recorded == identical + len(only_recorded)``.
    """

    engine: int
    recorded: int
    identical: int
    only_engine: list[TradeKey]
    only_recorded: list[TradeKey]


def compare_trades(engine: Iterable[Traded], recorded: Iterable[RecordedTrade]) -> TradeComparison:
    """Count the trades that are in both, and list those that are not, each list in its own order.

    Two equal trades of one side need two equal ones of the other.
    """
    ours = [TradeKey(trade.buyer, trade.seller, trade.volume, trade.price) for trade in engine]
    theirs = [TradeKey(trade.buyer, trade.seller, trade.volume, trade.price) for trade in recorded]
    only_ours = _without(ours, theirs)
    return TradeComparison(
        engine=len(ours),
        recorded=len(theirs),
        identical=len(ours) - len(only_ours),
        only_engine=only_ours,
        only_recorded=_without(theirs, ours),
    )


def _without(trades: list[TradeKey], others: list[TradeKey]) -> list[TradeKey]:
    spare = Counter(others)
    left: list[TradeKey] = []
    for trade in trades:
        if spare[trade]:
            spare[trade] -= 1
        else:
            left.append(trade)
    return left
