"""What all parts of the facade share."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.codec import Codec
from headwater.store.adapter import StoreAdapter
from headwater.store.decoding import EventDecoder
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.vault import Vault
from headwater.telemetry import Telemetry
from headwater.types import IdSource


class StoreBase:
    """A backend that is open, and what is needed to speak with it.

    Args:
        adapter: the backend, open.
        codec: knows the classes of all events.
        clock: for event identifiers; the system's by default.
        telemetry: who wants to know; nobody by default.
    """

    def __init__(
        self,
        adapter: StoreAdapter,
        codec: Codec,
        *,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.adapter: Final = adapter
        self.codec: Final = codec
        self.clock: Final = clock
        self.telemetry: Final = telemetry or Telemetry(clock)
        self._loop: Final = asyncio.get_running_loop()
        self._ids: Final = IdSource(clock.wall)
        self.vault: Final = Vault(adapter, codec.types, clock)
        self._decoder: Final = EventDecoder(codec)
        self._closed = False

    def as_stored(self, query: EventQuery | None) -> EventQuery | None:
        """The query that finds in the log all that is read as one of the query's types: their older names too.

        Typed reads, subscriptions and append conditions do that by themselves.
        """
        upcasters = self.codec.upcasters
        if query is None or not upcasters.concern(query.types):
            return query
        return query.widened(upcasters.sources)

    def _condition_as_stored(self, condition: AppendCondition | None) -> AppendCondition | None:
        if condition is None or not self.codec.upcasters.concern(condition.query.types):
            return condition
        return msgspec.structs.replace(condition, query=condition.query.widened(self.codec.upcasters.sources))

    @property
    def durability(self) -> str:
        """How durable an append is when it is answered.

        `full`: it is on the disk. `relaxed`: it survives the process, but the last ones may be lost with the machine.
        `none`: it is lost when the store is closed.
        """
        return self.adapter.durability

    @property
    def location(self) -> str:
        """Where the events lie, for people: a file or a URL without secrets."""
        return self.adapter.location
