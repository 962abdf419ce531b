from headwater.examples.exchange.messages import Traded
from headwater.examples.exchange.recording import RecordedTrade
from headwater.examples.exchange.trades import TradeKey, compare_trades


def recorded(buyer: int, seller: int, price: int, volume: int) -> RecordedTrade:
    return RecordedTrade(1, 0, 0, price, volume, buyer, seller, "buy")


def test_the_same_trades_in_another_order_are_identical() -> None:
    engine = [Traded(1, 2, 10, 5, "buy"), Traded(3, 4, 11, 6, "sell")]
    compared = compare_trades(engine, [recorded(3, 4, 11, 6), recorded(1, 2, 10, 5)])
    assert compared == (2, 2, 2, [], [])


def test_every_part_of_a_trade_counts() -> None:
    others = [recorded(9, 2, 10, 5), recorded(1, 9, 10, 5), recorded(1, 2, 9, 5), recorded(1, 2, 10, 9)]
    compared = compare_trades([Traded(1, 2, 10, 5, "buy")], others)
    assert compared.identical == 0
    assert compared.only_engine == [TradeKey(buyer=1, seller=2, volume=5, price=10)]
    assert len(compared.only_recorded) == 4


def test_a_trade_that_happened_twice_needs_two_partners() -> None:
    twice = [Traded(1, 2, 10, 5, "buy")] * 2
    assert compare_trades(twice, [recorded(1, 2, 10, 5)]).only_engine == [TradeKey(1, 2, 5, 10)]
    assert compare_trades(twice, [recorded(1, 2, 10, 5)] * 3).only_recorded == [TradeKey(1, 2, 5, 10)]
