"""What tells customers that their orders have traded."""

import msgspec

from headwater import EventHandler, Recorded
from headwater.examples.exchange.market import instrument_of
from headwater.examples.exchange.messages import Side, Traded


class Confirmation(msgspec.Struct, frozen=True):
    """Tells a customer of a trade.

    Attributes:
        trade: the trade's position in the log. A confirmation may come twice; it has the same one then.
        instrument: what was traded.
        order: the customer's order.
        side: whether the order was to buy or to sell.
        price: at which price.
        volume: how much.
    """

    trade: int
    instrument: str
    order: int
    side: Side
    price: int
    volume: int


def confirmation_topic(instrument: str, order: int) -> str:
    """Under which the confirmations of an order are broadcast: whoever holds a customer's connection subscribes."""
    return f"exchange.confirmations.{instrument}.{order}"


class Confirmations(EventHandler, name="confirmations", events=[Traded]):
    """Confirms each trade to both of its sides, at least once: also what was traded while nobody could be told.

    Trades come in batches, and wait 20 ms for others at most: in a busy market that is far cheaper than one by one.
    """

    batch_timeout = 0.02

    def handle_batch(self, events: list[Recorded]) -> None:
        """Tell the buyers and the sellers."""
        for recorded in events:
            if isinstance(recorded.event, Traded):
                self._traded(recorded.event, recorded)

    def _traded(self, event: Traded, recorded: Recorded) -> None:
        instrument, trade = instrument_of(recorded), int(recorded.position)
        self._confirm(Confirmation(trade, instrument, event.buyer, "buy", event.price, event.volume))
        self._confirm(Confirmation(trade, instrument, event.seller, "sell", event.price, event.volume))

    def _confirm(self, confirmation: Confirmation) -> None:
        topic = confirmation_topic(confirmation.instrument, confirmation.order)
        self.application.pubsub.broadcast(topic, confirmation)
