"""What the demo proves about the log that it wrote."""

from collections.abc import Collection, Iterable

import msgspec

from headwater import Application, Position, Projection, Query
from headwater.examples.exchange import matching
from headwater.examples.exchange.book import OrderBook
from headwater.examples.exchange.market import Market
from headwater.examples.exchange.messages import BookEvent
from headwater.examples.exchange.views import (
    TAPE_LENGTH,
    Candles,
    CandlesOf,
    DepthOf,
    LastTrades,
    MarketDepth,
    Tape,
    TopOf,
    TopOfBook,
    VolumeOf,
    Volumes,
)


class Proof(msgspec.Struct, frozen=True):
    """A claim about the log, and whether it holds.

    Attributes:
        claim: what is claimed.
        holds: whether it was found to be so; None if there was nothing to look at.
        detail: what was looked at.
    """

    claim: str
    holds: bool | None
    detail: str


async def prove(venue: Application, instrument: str) -> list[Proof]:
    """Check everything. Reads the log several times; nothing is written."""
    return [
        await positions_are_gapless(venue),
        await rebuild_equals_live(venue, instrument),
        await half_way_equals_fold(venue, instrument),
        await views_equal_rebuilt(venue, instrument),
    ]


async def positions_are_gapless(venue: Application) -> Proof:
    """Positions are 1, 2, 3 … over the log, versions are 1, 2, 3 … in each stream."""
    position = 0
    versions: dict[str, int] = {}
    holds = True
    async for stored in venue.store.raw_all():
        version = versions.get(stored.stream, 0) + 1
        holds = holds and stored.position == position + 1 and stored.version == version
        position, versions[stored.stream] = stored.position, stored.version
    return Proof("positions and versions are gapless", holds, _counted(position, versions))


async def rebuild_equals_live(venue: Application, instrument: str) -> Proof:
    """The book that decided the last command is the one that the log gives."""
    rebuilt = await venue.state(Market, instrument)
    live = await venue.live_state(Market, instrument)
    if live is None:
        return Proof("a rebuild from the log equals the live state", None, "no command in this run, so nothing is live")
    detail = f"{len(rebuilt.book):,} resting orders, order by order, with their priority"
    return Proof("a rebuild from the log equals the live state", live == rebuilt, detail)


async def half_way_equals_fold(venue: Application, instrument: str) -> Proof:
    """The book at the half-way position is the one that a plain loop over the events gives."""
    half = Position((await venue.store.head()) // 2)
    then = await venue.state(Market, instrument, at=half)
    folded = OrderBook()
    async for recorded in venue.store.read_all(limit=half):
        if recorded.stream == Market.stream_of(instrument) and isinstance(recorded.event, BookEvent):
            matching.evolve(folded, recorded.event)
    detail = f"position {int(half):,}: {len(folded):,} resting orders"
    return Proof("the book at the half-way event equals a fold to there", then.book == folded, detail)


async def views_equal_rebuilt(venue: Application, instrument: str) -> Proof:
    """Each view, built afresh, answers like the one that was running all the time."""
    head = await venue.store.head()
    differing = []
    for view, queries in _questions(instrument).items():
        await venue.wait_for(view, head, timeout=None)
        rebuilt = await venue.project(view, at=head)
        answers = [(await venue.query(query), rebuilt.ask(query)) for query in queries]
        if any(running != fresh for running, fresh in answers):
            differing.append(view.view)
    detail = f"{len(_questions(instrument))} views" + _listed(differing)
    return Proof("every view built afresh equals the running one", not differing, detail)


def _questions(instrument: str) -> dict[type[Projection], list[Query[object]]]:
    return {
        TopOfBook: [TopOf(instrument)],
        MarketDepth: [DepthOf(instrument, levels=None)],
        Tape: [LastTrades(instrument, count=TAPE_LENGTH)],
        Candles: [CandlesOf(instrument)],
        Volumes: [VolumeOf(instrument, "buy"), VolumeOf(instrument, "sell")],
    }


def _counted(events: int, streams: Collection[str]) -> str:
    return f"{events:,} events in {len(streams):,} stream{'' if len(streams) == 1 else 's'}"


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f"; differing: {text}" if text else ""
