"""What the demo says at its end."""

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from headwater import Application
from headwater.examples.exchange.confirmations import Confirmations
from headwater.examples.exchange.messages import Traded
from headwater.examples.exchange.proofs import Proof, prove
from headwater.examples.exchange.quantities import PRICE_DECIMALS, VOLUME_DECIMALS, format_quantity
from headwater.examples.exchange.run import Run
from headwater.examples.exchange.sources import INSTRUMENT, Source
from headwater.examples.exchange.trades import TradeComparison, compare_trades
from headwater.examples.exchange.views import Candle, CandlesOf, Depth, DepthOf, Quote, Top, TopOf, VolumeOf

_MEGABYTE: Final = 1_000_000

Section = tuple[str, list[tuple[str, str]]]
"""A heading, and lines of a label and a value."""


class Report(msgspec.Struct, frozen=True):
    """Everything that a run has to say.

    Attributes:
        sections: the report's text, without the log.
        events: how many events the log has.
        proofs: what was proven about the log, and whether it holds.
    """

    sections: list[Section]
    events: int
    proofs: list[Proof]

    @property
    def proven(self) -> bool:
        """Whether no proof failed."""
        return all(proof.holds is not False for proof in self.proofs)


async def make_report(venue: Application, source: Source, run: Run, seconds: float, resumed_after: int) -> Report:
    """Look at the log and the views, and write the report of a run.

    Args:
        venue: the exchange, running.
        source: the run's input.
        run: the run, ended.
        seconds: how long it took.
        resumed_after: the row behind which it began; -1 if it was not resumed.
    """
    sections = [
        ("Input", _input(source, run, resumed_after)),
        ("Commands", _commands(run, seconds, venue.store.durability)),
        ("Market", await _market(venue)),
    ]
    comparison = await _compare(venue, source, run)
    if comparison is not None:
        sections.append(("Trades against the recording", _comparison(comparison)))
    return Report(sections, int(await venue.store.head()), await prove(venue, INSTRUMENT))


def _input(source: Source, run: Run, resumed_after: int) -> list[tuple[str, str]]:
    lines = [("source", source.description), ("rows", f"{source.rows:,}")]
    lines += [(f"left out: {_words(why)}", f"{count:,}") for why, count in source.left_out.items()]
    if resumed_after >= 0:
        lines.append(("resumed", f"behind row {resumed_after:,}, the last one in the log"))
    lines.append(("last row handed in", f"{run.row:,}" if run.row >= 0 else "none"))
    return lines


def _words(name: str) -> str:
    return name.replace("_", " ")


def _commands(run: Run, seconds: float, durability: str) -> list[tuple[str, str]]:
    figures, latency = run.figures, run.figures.latency()
    rate = figures.commands / seconds if seconds else 0.0
    lines = [("answered", f"{figures.commands:,}"), ("accepted", f"{figures.committed:,}")]
    lines += [(f"rejected: {_words(why)}", f"{count:,}") for why, count in figures.rejected.most_common()]
    lines += [
        ("time", f"{seconds:.2f} s"),
        ("commands/s", f"{rate:,.0f}"),
        ("latency", f"p50 {latency.median:.1f} ms, p99 {latency.p99:.1f} ms, worst {latency.worst:.1f} ms"),
        ("durability", _DURABILITY.get(durability, durability)),
        ("peak memory", f"{_peak_memory() / _MEGABYTE:.0f} MB"),
    ]
    return lines


_DURABILITY: Final[Mapping[str, str]] = {
    "full": "full: answered when on the disk (fsync)",
}


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def describe_log(path: Path, events: int) -> Section:
    """The log's file and its size. A store that is closed has nothing else on the disk."""
    size = sum(file.stat().st_size for file in (path, Path(f"{path}-wal")) if file.exists())
    per_event = f" ({size / events:.0f} an event)" if events else ""
    return "Log", [("events", f"{events:,}"), ("file", str(path)), ("bytes", f"{size:,}{per_event}")]


async def _market(venue: Application) -> list[tuple[str, str]]:
    head = await venue.store.head()
    for view in venue.projections:
        await venue.wait_for(view, head, timeout=None)
    await venue.wait_for(Confirmations, head, timeout=None)
    top = await venue.query(TopOf(INSTRUMENT))
    depth = await venue.query(DepthOf(INSTRUMENT, levels=1))
    candles = await venue.query(CandlesOf(INSTRUMENT))
    bought = await venue.query(VolumeOf(INSTRUMENT, "buy"))
    sold = await venue.query(VolumeOf(INSTRUMENT, "sell"))
    unconfirmed = len(await venue.dead_letters(Confirmations).list())
    return [
        ("best bid", describe_quote(top.bid)),
        ("best ask", describe_quote(top.ask)),
        ("resting orders", _resting(depth)),
        ("takers bought", f"{format_quantity(bought.volume, VOLUME_DECIMALS)} in {bought.trades:,} trades"),
        ("takers sold", f"{format_quantity(sold.volume, VOLUME_DECIMALS)} in {sold.trades:,} trades"),
        ("trades confirmed", f"{bought.trades + sold.trades - unconfirmed:,}, to both sides"),
        ("trade prices", _prices(candles)),
        ("minutes with trades", f"{len(candles):,}"),
    ]


def describe_top(top: Top) -> str:
    """The best bid and ask, shortly."""
    return f"bid {_price(top.bid)}, ask {_price(top.ask)}"


def describe_quote(quote: Quote | None) -> str:
    """A price with what waits there."""
    if quote is None:
        return "nobody"
    orders = "1 order" if quote.orders == 1 else f"{quote.orders:,} orders"
    return f"{_price(quote)} ({format_quantity(quote.volume, VOLUME_DECIMALS)} in {orders})"


def _price(quote: Quote | None) -> str:
    return "–" if quote is None else format_quantity(quote.price, PRICE_DECIMALS)


def _resting(depth: Depth) -> str:
    total = depth.resting_bids + depth.resting_asks
    return f"{total:,} ({depth.resting_bids:,} bids, {depth.resting_asks:,} asks)"


def _prices(candles: list[Candle]) -> str:
    if not candles:
        return "–"
    low, high = min(candle.low for candle in candles), max(candle.high for candle in candles)
    return f"{format_quantity(low, PRICE_DECIMALS)} to {format_quantity(high, PRICE_DECIMALS)}"


async def _compare(venue: Application, source: Source, run: Run) -> TradeComparison | None:
    recorded = source.recorded_trades()
    if recorded is None:
        return None
    end = _market_time_of(source, run)
    trades = [found.event async for found in venue.store.read_all() if isinstance(found.event, Traded)]
    return compare_trades(trades, [trade for trade in recorded if trade.happened <= end])


def _market_time_of(source: Source, run: Run) -> int:
    """How far the market's time has come: recorded trades behind that are none of this run's business."""
    if run.row >= 0:
        return run.market_time
    return max((time for _, time, _ in source.commands(-1)), default=0)


def _comparison(comparison: TradeComparison) -> list[tuple[str, str]]:
    return [
        ("recorded", f"{comparison.recorded:,}"),
        ("made here", f"{comparison.engine:,}"),
        ("identical", f"{comparison.identical:,} in buyer, seller, amount and price"),
        ("only recorded", f"{len(comparison.only_recorded):,}"),
        ("only here", f"{len(comparison.only_engine):,}"),
    ]
