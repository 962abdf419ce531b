"""Where the demo's commands come from: a recording of a real market, or a generator when there is none."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from headwater.examples.exchange.feed import Feed
from headwater.examples.exchange.feed_command import FeedCommand
from headwater.examples.exchange.orderflow import OrderFlow
from headwater.examples.exchange.recording import OnError, RecordedTrade, Recording, Report

INSTRUMENT: Final = "btcusd"
GENERATED_COMMANDS: Final = 300_000

_PACKAGE: Final = "ob-analytics"
_PACKAGE_VERSION: Final = "0.1.0"
_NEARBY: Final = Path("../shared/data/trading")
_MEMBERS: Final = {
    "ob_analytics/_sample_data/orders.csv.gz": "bitstamp_btcusd_orders.csv.gz",
    "ob_analytics/_sample_data/trades.csv": "bitstamp_btcusd_trades.csv",
}
_DOWNLOAD_SECONDS: Final = 120


class Source(Protocol):
    """Commands for one order book, numbered by the row that each came from.

    Attributes:
        name: identifies the input: a run is only resumed with the input that it began with.
        description: for people.
        rows: how many rows the input has.
        left_out: how many rows became no command, by reason.
        commands_in_all: how many commands there are.
    """

    name: str
    description: str
    rows: int
    left_out: Mapping[str, int]
    commands_in_all: int

    def commands(self, after: int) -> Iterator[FeedCommand]:
        """The commands of the rows after a row; all of them after -1."""

    def recorded_trades(self) -> list[RecordedTrade] | None:
        """The trades of the real market in the same time, or None if it isn't real."""


class RecordedSource:
    """A recording, as a source of commands.

    Args:
        path: its orders file.
        on_error: what to do at a malformed row.
        on_skip: told of each malformed row that was left out.

    Raises:
        NotARecording: the file is something else.
        MalformedRow: a row is malformed, with `on_error="stop"`.
    """

    def __init__(self, path: Path, on_error: OnError = "stop", on_skip: Report | None = None) -> None:
        recording = Recording(path)
        self._feed = Feed(recording, INSTRUMENT, on_error=on_error, on_skip=on_skip)
        self._trades = list(recording.trades("skip"))
        self.name = f"recording {_digest(path)}"
        self.description = f"recorded order flow, {path.name}"
        self.rows = self._feed.counts.rows
        left_out = self._feed.counts.left_out
        self.left_out: Mapping[str, int] = {str(why): count for why, count in left_out.items() if count}
        self.commands_in_all = 1 + sum(self._feed.counts.commands.values())

    def commands(self, after: int) -> Iterator[FeedCommand]:
        """The commands of the rows after a row."""
        return self._feed.commands(after)

    def recorded_trades(self) -> list[RecordedTrade]:
        """The trades of the real market in the same time."""
        return self._trades


class GeneratedSource:
    """Synthetic order flow, the same for the same seed.

    Args:
        rows: how many commands follow the opening of the book.
        seed: chooses the flow.
    """

    def __init__(self, rows: int = GENERATED_COMMANDS, seed: int = 1) -> None:
        self._flow = OrderFlow(INSTRUMENT, rows, seed=seed)
        self.name = f"generated {rows} {seed}"
        self.description = f"synthetic order flow, seed {seed} (no recording and no network)"
        self.rows = rows
        self.left_out: Mapping[str, int] = {}
        self.commands_in_all = 1 + rows

    def commands(self, after: int) -> Iterator[FeedCommand]:
        """The commands of the rows after a row."""
        return self._flow.commands(after)

    def recorded_trades(self) -> None:
        """None: it isn't real."""
        return


def find_source(given: Path | None, on_error: OnError, on_skip: Report | None = None) -> Source:
    """The input for a run.

    That is the file that was given; else the recording that lies nearby, in the cache, or in the package index;
    else generated order flow.

    Args:
        given: a recording's orders file, or None.
        on_error: what to do at a malformed row.
        on_skip: told of each malformed row that was left out.

    Raises:
        NotARecording: the file that was given is something else.
        MalformedRow: a row is malformed, with `on_error="stop"`.
    """
    path = given or _nearby() or _cached() or _downloaded()
    return GeneratedSource() if path is None else RecordedSource(path, on_error, on_skip)


def _nearby() -> Path | None:
    return next(iter(sorted(_NEARBY.glob("*_orders.csv.gz"))), None)


def cache_folder() -> Path:
    """Where a recording that was fetched is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "headwater" / f"{_PACKAGE}-{_PACKAGE_VERSION}"


def _cached() -> Path | None:
    orders, trades = (cache_folder() / name for name in _MEMBERS.values())
    return orders if orders.exists() and trades.exists() else None


def _downloaded() -> Path | None:
    """Fetch the wheel that carries the recording, and keep the two files. None without a network."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--dest", folder, f"{_PACKAGE}=={_PACKAGE_VERSION}"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return None
        for wheel in Path(folder).glob("*.whl"):
            _unpack(wheel, cache_folder())
    return _cached()


def _unpack(wheel: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for member, name in _MEMBERS.items():
            partial = target / f"{name}.part"
            partial.write_bytes(archive.read(member))
            partial.replace(target / name)  # never half a file under its final name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
