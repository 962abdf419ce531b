"""An application while it runs."""

from __future__ import annotations

from headwater.cqrs.dispatch import Dispatcher
from headwater.cqrs.handlers import Handlers
from headwater.cqrs.scheduling import Scheduling
from headwater.store.store import EventStore


class Run:
    """What there is of an application only from when it is entered until it is left.

    Args:
        store: the event store, open.
        dispatcher: brings commands to whoever decides them.
        handlers: its event handlers.

    Attributes:
        store: the same.
        dispatcher: the same.
        handlers: the same.
        scheduling: schedules commands; None until the timers run.
    """

    def __init__(self, store: EventStore, dispatcher: Dispatcher, handlers: Handlers) -> None:
        self.store = store
        self.dispatcher = dispatcher
        self.handlers = handlers
        self.scheduling: Scheduling | None = None
