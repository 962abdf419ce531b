"""One run of the demo: commands in, events durable, figures out."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from headwater import Application, Envelope, EventStore, HeadwaterError
from headwater.examples.exchange.feed_command import FeedCommand
from headwater.examples.exchange.figures import Figures
from headwater.examples.exchange.market import Market
from headwater.examples.exchange.sources import INSTRUMENT, Source

IN_FLIGHT: Final = 500
"""How many commands are under way at a time: as if so many customers waited for their answers."""


class OtherInput(HeadwaterError):
    """A run is to be resumed with another input than it began with."""


class NotADemo(HeadwaterError):
    """The store holds something, and no run of the demo wrote it."""


async def begun_with(store: EventStore) -> str | None:
    """The name of the input that a demo's log began with; None if the log is empty.

    Raises:
        NotADemo: the log's first event is not the one with which a demo begins.
    """
    page = await store.page_all(0, 1)
    if not page:
        return None
    source = page[0].metadata.get("source")
    if page[0].stream == Market.stream_of(INSTRUMENT) and isinstance(source, str):
        return source
    raise NotADemo(f"{store.location} holds the events of another application, not of the demo; name another file")


class Run:
    """Drives the commands of a source through the exchange.

    Each event carries the row that caused it and the market's time of that row as metadata, so that a run which
    was stopped, in whatever way, goes on behind the last row that the log knows. The rows between that one and
    the interruption were rejected, or never durable: they are decided again on the same state, with the same
    outcome. So no command is lost, and none has its effect twice.

    Args:
        venue: the exchange, running.
        source: the input.
        in_flight: how many commands are under way at a time.

    Attributes:
        figures: what was done so far.
        row: the last row that was handed in.
        market_time: that row's time in the market, in milliseconds since 1970.
    """

    def __init__(self, venue: Application, source: Source, in_flight: int = IN_FLIGHT) -> None:
        self.figures = Figures()
        self.row = -1
        self.market_time = 0
        self._venue = venue
        self._source = source
        self._in_flight = in_flight
        self._stopping = False
        self._started: deque[float] = deque()

    async def resume_after(self) -> int:
        """The row behind which the log's run goes on; -1 for an empty log.

        Raises:
            OtherInput: the log was written from another input.
            NotADemo: the log was written by another application.
        """
        store = self._venue.store
        begun = await begun_with(store)
        if begun is not None and begun != self._source.name:
            raise OtherInput(
                f"{store.location} was begun with another input ({begun}, and this is {self._source.name}); "
                "give the --input that it was begun with, or another --database"
            )
        last = await store.last(Market.stream_of(INSTRUMENT))
        row = None if last is None else last.metadata.get("row")
        return row if isinstance(row, int) else -1

    async def drive(self, after: int, limit: int | None = None) -> None:
        """Hand in the commands behind a row, and wait for all answers.

        Args:
            after: the row; -1 for all.
            limit: how many commands at most.

        Raises:
            StoreError: the events could not be stored. What was answered before is durable.
        """
        commands = self._envelopes(self._source.commands(after), limit)
        async for outcome in self._venue.dispatch_all(commands, in_flight=self._in_flight):
            self.figures.add(outcome.result, time.perf_counter() - self._started.popleft())

    def stop(self) -> None:
        """Hand in no more commands; `drive` ends when those under way are answered."""
        self._stopping = True

    def _envelopes(self, commands: Iterable[FeedCommand], limit: int | None) -> Iterator[Envelope]:
        for count, (row, moment, command) in enumerate(commands):
            if self._stopping or count == limit:
                return
            self.row, self.market_time = row, moment
            metadata: dict[str, object] = {"row": row, "time": moment}
            if row == 0:
                metadata["source"] = self._source.name
            self._started.append(time.perf_counter())
            yield Envelope(command, metadata)
