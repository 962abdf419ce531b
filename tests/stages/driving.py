"""Stages that tests drive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headwater import Consumer, Producer, ProducerConsumer, Subscription
from headwater.runtime.exits import Reason
from headwater.stages.dispatchers.dispatcher import Dispatcher


class Numbers(Producer[int]):
    """Gives 0, 1, 2 …, as many as are asked for, up to a limit."""

    def init(self, limit: int = 1_000_000, make: Callable[[], Dispatcher[int]] | None = None) -> None:
        self.next = 0
        self.limit = limit
        self.make = make
        self.demands: list[int] = []
        self.log: list[object] = []

    def dispatcher(self) -> Dispatcher[int]:
        return super().dispatcher() if self.make is None else self.make()

    def handle_demand(self, demand: int) -> Sequence[int]:
        self.demands.append(demand)
        first, self.next = self.next, min(self.next + demand, self.limit)
        return range(first, self.next)

    def handle_cancel(self, subscription: Subscription, reason: Reason) -> None:
        self.log.append(reason)

    def handle_info(self, message: object) -> None:
        self.log.append(message)

    def heard(self) -> list[object]:
        return list(self.log)

    def asked(self) -> list[int]:
        return list(self.demands)

    def leave(self, reason: Reason) -> None:
        self.stop(reason)


class Taps(Producer[object]):
    """Gives nothing by itself; what it is told to."""

    def init(
        self,
        make: Callable[[], Dispatcher[object]] | None = None,
        size: int = 10_000,
        keep: str = "last",
        mode: str = "forward",
    ) -> None:
        self.make = make
        self.buffer_size = size
        self.buffer_keep = keep  # type: ignore[assignment]  # as tests like
        self.demand_mode = mode  # type: ignore[assignment]  # likewise
        self.demands: list[int] = []
        self.log: list[object] = []

    def dispatcher(self) -> Dispatcher[object]:
        return super().dispatcher() if self.make is None else self.make()

    def handle_demand(self, demand: int) -> Sequence[object]:
        self.demands.append(demand)
        return ()

    def handle_info(self, message: object) -> None:
        self.log.append(message)

    def give(self, *events: object) -> None:
        self.emit(events)

    def asked(self) -> list[int]:
        return list(self.demands)

    def heard(self) -> list[object]:
        return list(self.log)


class Sink(Consumer[object]):
    """Keeps what it gets, batch by batch."""

    def init(self, log: list[object] | None = None) -> None:
        self.log: list[object] = [] if log is None else log

    def handle_events(self, events: list[object], source: Subscription) -> None:
        self.log.append(list(events))

    def handle_subscribe(self, subscription: Subscription) -> None:
        self.log.append("subscribed")

    def handle_cancel(self, subscription: Subscription, reason: Reason) -> None:
        self.log.append(("cancelled", reason))

    def handle_info(self, message: object) -> None:
        self.log.append(message)

    def history(self) -> list[object]:
        return list(self.log)

    def events(self) -> list[object]:
        return [event for batch in self.log if isinstance(batch, list) for event in batch]

    def act(self, action: Callable[[Sink], object]) -> object:
        return action(self)


class Ints(Consumer[int]):
    """The same, for numbers."""

    def init(self) -> None:
        self.batches: list[list[int]] = []

    def handle_events(self, events: list[int], source: Subscription) -> None:
        self.batches.append(list(events))

    def history(self) -> list[list[int]]:
        return list(self.batches)

    def events(self) -> list[int]:
        return [event for batch in self.batches for event in batch]


class Gate(ProducerConsumer[int, int]):
    """Gives so many copies of each event."""

    def init(self, copies: int = 1) -> None:
        self.copies = copies
        self.batches: list[list[int]] = []
        self.log: list[object] = []

    def handle_events(self, events: list[int], source: Subscription) -> Sequence[int]:
        self.batches.append(list(events))
        return [event for event in events for _ in range(self.copies)]

    def handle_cancel(self, subscription: Subscription, reason: Reason) -> None:
        self.log.append(reason)

    def handle_info(self, message: object) -> None:
        self.log.append(message)

    def history(self) -> list[list[int]]:
        return list(self.batches)

    def heard(self) -> list[object]:
        return list(self.log)

    def give(self, *events: int) -> None:
        self.emit(events)
