"""The exchange, put together."""

from headwater import Application
from headwater.examples.exchange.circuit_breaker import CircuitBreaker
from headwater.examples.exchange.confirmations import Confirmations
from headwater.examples.exchange.market import Market
from headwater.examples.exchange.views import Candles, MarketDepth, Tape, TopOfBook, Volumes

DEMO_FILE = "exchange-demo.db"
"""What the demo leaves behind in the working directory."""


def venue(store: str) -> Application:
    """An exchange on the store of this URL. Any number of instruments trade there, each in a book of its own."""
    return Application(
        "exchange",
        store=store,
        aggregates=[Market],
        projections=[TopOfBook, MarketDepth, Tape, Candles, Volumes],
        handlers=[Confirmations],
        process_managers=[CircuitBreaker],
    )


exchange = venue(f"sqlite:///{DEMO_FILE}")
"""The exchange that the demo ran, for `headwater state --app headwater.examples.exchange.venue:exchange`."""
