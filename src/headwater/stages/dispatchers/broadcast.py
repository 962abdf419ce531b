"""BroadcastDispatcher: each event to all consumers, at the pace of the slowest. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from headwater.errors import AlreadySubscribed
from headwater.stages.dispatchers.dispatcher import Delivery, Dispatcher, refuse_option
from headwater.stages.options import SubscribeOptions

E = TypeVar("E")


class BroadcastDispatcher(Dispatcher[E]):
    """Gives each event to every consumer whose `selector` wants it, at the pace of the slowest consumer.

    An event that a consumer's selector refuses costs that consumer no demand. A selector runs in the producer, once for
    each event; if it raises, the producer ends. A process may subscribe once.

    A new consumer gets what is dispatched after it has subscribed, and holds the others up until it asks. Start a
    producer with `demand_mode = "accumulate"` if all consumers are to get the same events from the first one on. A
    consumer that leaves holds nobody up any more.
    """

    __slots__ = ("_levels", "_listeners", "_processes")

    def __init__(self) -> None:
        self._listeners: dict[int, _Listener[E]] = {}
        self._processes: set[Hashable] = set()
        self._levels: Counter[int] = Counter()  # how many listeners have which demand: so the least is found at once

    def subscribe(self, key: int, process: Hashable, options: SubscribeOptions[E]) -> str | None:
        """Take a new consumer.

        Raises:
            AlreadySubscribed: this process is a consumer already.
        """
        refuse_option(options, "partition", "BroadcastDispatcher")
        if process in self._processes:
            raise AlreadySubscribed(
                f"{process!r} is subscribed to this producer already, which broadcasts: cancel that subscription first"
            )
        self._processes.add(process)
        self._listeners[key] = _Listener(process, options.selector)
        self._levels[0] += 1
        return None

    def ask(self, key: int, demand: int) -> list[Delivery[E]]:
        """The consumer asks for so many events more."""
        self._change(self._listeners[key], demand)
        return []

    def cancel(self, key: int) -> None:
        """The consumer has left. If it was the slowest, the others go on."""
        listener = self._listeners.pop(key)
        self._processes.remove(listener.process)
        self._leave_level(listener.demand)

    def dispatch(self, events: list[E]) -> list[Delivery[E]]:
        """Give the events to everybody who wants them."""
        chosen = [(key, listener, listener.choose(events)) for key, listener in self._listeners.items()]
        for _, listener, selected in chosen:
            self._change(listener, -len(selected))
        return [Delivery(key, selected) for key, _, selected in chosen if selected]

    @property
    def wanted(self) -> int:
        """What the slowest consumer has asked for and not got; 0 without consumers."""
        return min(self._levels, default=0)

    def _change(self, listener: _Listener[E], demand: int) -> None:
        self._leave_level(listener.demand)
        listener.demand += demand
        self._levels[listener.demand] += 1

    def _leave_level(self, level: int) -> None:
        self._levels[level] -= 1
        if not self._levels[level]:
            del self._levels[level]


class _Listener(Generic[E]):
    """A consumer.

    Attributes:
        demand: what it has asked for and not got.
        process: who it is.
    """

    __slots__ = ("_selector", "demand", "process")

    def __init__(self, process: Hashable, selector: Callable[[E], bool] | None) -> None:
        self.process = process
        self.demand = 0
        self._selector = selector

    def choose(self, events: list[E]) -> list[E]:
        """The events that it wants, in a list of its own."""
        return events[:] if self._selector is None else [event for event in events if self._selector(event)]
