"""An exchange that is slow and obvious: one list of orders, sorted anew for every question."""

from dataclasses import dataclass

from headwater.examples.exchange.messages import (
    BookCommand,
    BookEvent,
    BookOpened,
    Cancel,
    Halt,
    MarketOrderExpired,
    MarketOrderPlaced,
    OpenBook,
    OrderCancelled,
    OrderPlaced,
    OrderReduced,
    PlaceLimit,
    PlaceMarket,
    PriceJumped,
    Reduce,
    Resume,
    Side,
    Traded,
    TradingHalted,
    TradingResumed,
)


@dataclass
class ModelOrder:
    order: int
    side: Side
    price: int
    remaining: int
    arrival: int


class Refused(Exception):
    """Carries the reason code."""


class ModelExchange:
    def __init__(self) -> None:
        self.instrument: str | None = None
        self.orders: list[ModelOrder] = []
        self.arrivals = 0
        self.halted = False
        self.reference: int | None = None

    def handle(self, command: BookCommand) -> list[BookEvent]:
        match command:
            case OpenBook(instrument, price_decimals, volume_decimals):
                return self.open(instrument, price_decimals, volume_decimals)
            case PlaceLimit():
                return self.limit(command)
            case PlaceMarket():
                return self.market(command)
            case Cancel():
                return self.cancel(command)
            case Reduce():
                return self.reduce(command)
            case Halt(instrument, reason):
                return self.halt(instrument, reason)
            case Resume(instrument):
                return self.resume(instrument)

    def sorted(self, side: Side) -> list[ModelOrder]:
        sign = -1 if side == "buy" else 1
        own = [order for order in self.orders if order.side == side]
        return sorted(own, key=lambda order: (sign * order.price, order.arrival))

    def open(self, instrument: str, price_decimals: int, volume_decimals: int) -> list[BookEvent]:
        if self.instrument is not None:
            raise Refused("already_open")
        if min(price_decimals, volume_decimals) < 0:
            raise Refused("bad_decimals")
        self.instrument = instrument
        return [BookOpened(instrument, price_decimals, volume_decimals)]

    def limit(self, command: PlaceLimit) -> list[BookEvent]:
        self.check(command)
        if command.price < 0:
            raise Refused("bad_price")
        if command.post_only and self.partners(command.side, command.price):
            raise Refused("would_cross")
        self.arrivals += 1
        taker = ModelOrder(command.order, command.side, command.price, command.volume, self.arrivals)
        placed = OrderPlaced(command.order, command.side, command.price, command.volume)
        trades = self.trade(taker, self.partners(command.side, command.price))
        if taker.remaining:
            self.orders.append(taker)
        return [placed, *trades, *self.jumps(trades)]

    def market(self, command: PlaceMarket) -> list[BookEvent]:
        self.check(command)
        partners = self.partners(command.side, None)
        if not partners:
            raise Refused("no_liquidity")
        taker = ModelOrder(command.order, command.side, 0, command.volume, 0)
        placed = MarketOrderPlaced(command.order, command.side, command.volume)
        trades = self.trade(taker, partners)
        events: list[BookEvent] = [placed, *trades]
        if taker.remaining:
            events.append(MarketOrderExpired(command.order, taker.remaining))
        return [*events, *self.jumps(trades)]

    def cancel(self, command: Cancel) -> list[BookEvent]:
        order = self.find(command)
        self.orders.remove(order)
        return [OrderCancelled(order.order, order.remaining)]

    def reduce(self, command: Reduce) -> list[BookEvent]:
        order = self.find(command)
        if command.to < 0:
            raise Refused("bad_volume")
        if order.remaining <= command.to:
            raise Refused("nothing_to_reduce")
        order.remaining = command.to
        self.drop_empty()
        return [OrderReduced(command.order, command.to)]

    def partners(self, side: Side, limit: int | None) -> list[ModelOrder]:
        if side == "buy":
            return [order for order in self.sorted("sell") if limit is None or order.price <= limit]
        return [order for order in self.sorted("buy") if limit is None or order.price >= limit]

    def trade(self, taker: ModelOrder, partners: list[ModelOrder]) -> list[Traded]:
        trades = []
        for maker in partners:
            volume = min(taker.remaining, maker.remaining)
            if volume:
                buyer, seller = (taker, maker) if taker.side == "buy" else (maker, taker)
                trades.append(Traded(buyer.order, seller.order, maker.price, volume, taker.side))
                taker.remaining -= volume
                maker.remaining -= volume
        self.drop_empty()
        return trades

    def drop_empty(self) -> None:
        self.orders = [order for order in self.orders if order.remaining]

    def jumps(self, trades: list[Traded]) -> list[BookEvent]:
        if not trades:
            return []
        reference = trades[0].price if self.reference is None else self.reference
        self.reference = reference
        for trade in sorted(trades, key=lambda trade: abs(trade.price - reference), reverse=True):
            if not 0.95 * reference <= trade.price <= 1.05 * reference:
                self.reference = trade.price
                return [PriceJumped(trade.price, reference)]
        return []

    def halt(self, instrument: str, reason: str) -> list[BookEvent]:
        if instrument != self.instrument:
            raise Refused("unknown_instrument")
        if self.halted:
            raise Refused("halted")
        self.halted = True
        return [TradingHalted(reason)]

    def resume(self, instrument: str) -> list[BookEvent]:
        if instrument != self.instrument:
            raise Refused("unknown_instrument")
        if not self.halted:
            raise Refused("not_halted")
        self.halted, self.reference = False, None
        return [TradingResumed()]

    def check(self, command: PlaceLimit | PlaceMarket) -> None:
        if command.instrument != self.instrument:
            raise Refused("unknown_instrument")
        if self.halted:
            raise Refused("halted")
        if command.volume <= 0:
            raise Refused("bad_volume")
        if any(order.order == command.order for order in self.orders):
            raise Refused("duplicate_order")

    def find(self, command: Cancel | Reduce) -> ModelOrder:
        if command.instrument != self.instrument:
            raise Refused("unknown_instrument")
        for order in self.orders:
            if order.order == command.order:
                return order
        raise Refused("unknown_order")
