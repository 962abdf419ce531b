"""The bank, put together."""

from __future__ import annotations

from headwater import Application
from headwater.clock import Clock
from headwater.examples.bank.accounts import Account
from headwater.examples.bank.orders import Order
from headwater.examples.bank.transfers import Transfer


def bank(store: str, *, clock: Clock | None = None) -> Application:
    """The bank's application on a store.

    Args:
        store: the store's URL.
        clock: where the time comes from.
    """
    return Application("bank", store=store, aggregates=[Account, Order], process_managers=[Transfer], clock=clock)
