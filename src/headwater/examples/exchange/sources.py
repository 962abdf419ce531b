"""Where the demo's commands come from: a recording of a real market, or a generator when there is none."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from headwater.examples.exchange.feed import Feed
from headwater.examples.exchange.feed_command import FeedCommand
from headwater.examples.exchange.orderflow import OrderFlow
from headwater.examples.exchange.recording import MalformedRow, OnError, RecordedTrade, Recording, Report

INSTRUMENT: Final = "btcusd"
GENERATED_COMMANDS: Final = 300_000

_PACKAGE: Final = "ob-analytics"
_PACKAGE_VERSION: Final = "0.1.0"
_NEARBY: Final = Path("../shared/data/trading")
_DOWNLOAD_SECONDS: Final = 120

Tell: TypeAlias = Callable[[str], object]
"""Is told what is being done, for people who wait."""


class _Member(NamedTuple):
    """A file in the wheel: under which name it is kept, and what it must contain."""

    path: str
    name: str
    sha256: str


_MEMBERS: Final = (
    _Member(
        "ob_analytics/_sample_data/trades.csv",
        "bitstamp_btcusd_trades.csv",
        "9fd0dd86023b71eed49026b9b8e8a45d06d2578ced69393ad696f37233e9c795",
    ),
    _Member(
        "ob_analytics/_sample_data/orders.csv.gz",
        "bitstamp_btcusd_orders.csv.gz",
        "880501e94fb43942b7f98cbc37bab421d72703d85898aae8de5da117bf62cdfc",
    ),
)


class Source(Protocol):
    """Commands for one order book, numbered by the row that each came from.

    Attributes:
        name: identifies the input: a run is only resumed with the input that it began with.
        description: for people.
        rows: how many rows the input has.
        left_out: how many rows became no command, by reason; malformed trades too, which are no rows.
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
        malformed: list[MalformedRow] = []  # the feed has told of them already
        self._trades = list(recording.trades("skip", malformed.append))
        self.name = f"recording {_digest(recording.orders_path, recording.trades_path)}"
        self.description = f"recorded order flow, {path.name}"
        self.rows = self._feed.counts.rows
        left_out = [*self._feed.counts.left_out.items(), ("malformed_trade", len(malformed))]
        self.left_out: Mapping[str, int] = {why: count for why, count in left_out if count}
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
        self.description = f"synthetic order flow, seed {seed} (no recording was found or fetched)"
        self.rows = rows
        self.left_out: Mapping[str, int] = {}
        self.commands_in_all = 1 + rows

    def commands(self, after: int) -> Iterator[FeedCommand]:
        """The commands of the rows after a row."""
        return self._flow.commands(after)

    def recorded_trades(self) -> None:
        """None: it isn't real."""
        return


def _quiet(_: str) -> None:
    """Tell nobody."""


def find_source(given: Path | None, on_error: OnError, on_skip: Report | None = None, *, tell: Tell = _quiet) -> Source:
    """The input for a run.

    That is the file that was given; else the recording that lies nearby, in the cache, or in the package index;
    else generated order flow.

    Args:
        given: a recording's orders file, or None.
        on_error: what to do at a malformed row.
        on_skip: told of each malformed row that was left out.
        tell: told what is being done that may take a while, and why something was not done.

    Raises:
        NotARecording: the file that was given is something else.
        MalformedRow: a row is malformed, with `on_error="stop"`.
    """
    path = given or _nearby() or _cached() or _downloaded(tell)
    if path is None:
        return GeneratedSource()
    tell(f"Reading {path} …")
    return RecordedSource(path, on_error, on_skip)


def _nearby() -> Path | None:
    return next(iter(sorted(_NEARBY.glob("*_orders.csv.gz"))), None)


def cache_folder() -> Path:
    """Where a recording that was fetched is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "headwater" / f"{_PACKAGE}-{_PACKAGE_VERSION}"


def _cached() -> Path | None:
    trades, orders = (cache_folder() / member.name for member in _MEMBERS)
    return orders if orders.exists() and trades.exists() else None


class _BadWheel(Exception):
    """The wheel holds other files than those that were published."""


def _downloaded(tell: Tell) -> Path | None:
    """Fetch the wheel that carries the recording, and keep the two files. None if that doesn't work."""
    tell(f"Fetching a recording from the package index ({_PACKAGE} {_PACKAGE_VERSION}, 3 MB) …")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _download(folder)
            for wheel in Path(folder).glob("*.whl"):
                _unpack(wheel, cache_folder())
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, zlib.error, _BadWheel) as error:
        tell(f"It could not be fetched ({_reason(error)}); order flow is generated instead.")
    return _cached()


def _download(folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", folder, f"{_PACKAGE}=={_PACKAGE_VERSION}"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS)  # noqa: S603


def _reason(error: Exception) -> str:
    """Why it failed, in one line: of what pip says, the last line is the one that counts."""
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (text or str(error)).strip().rpartition("\n")[2]


def _unpack(wheel: Path, target: Path) -> None:
    """Keep the recording's files, if they are the right ones: both or none."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {member.name: _content(archive, member) for member in _MEMBERS}
    target.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        partial = target / f"{name}.part"
        partial.write_bytes(content)
        partial.replace(target / name)  # never half a file under its final name


def _content(archive: zipfile.ZipFile, member: _Member) -> bytes:
    try:
        content = archive.read(member.path)
    except KeyError:
        raise _BadWheel(f"{member.path} is missing in it") from None
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise _BadWheel(f"{member.path} in it is not the file that was published")
    return content


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
