"""Where the input comes from when nobody names one."""

import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from headwater.examples.exchange import sources
from headwater.examples.exchange.recording import MalformedRow, NotARecording
from headwater.examples.exchange.sources import GeneratedSource, RecordedSource, cache_folder, find_source

from .recordings import write_generated_recording, write_recording

ORDERS = "bitstamp_btcusd_orders.csv.gz"
TRADES = "bitstamp_btcusd_trades.csv"

Pip = Callable[[Path], None]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recording nearby, an empty cache, and no network."""
    (tmp_path / "work" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _pip(monkeypatch, _no_network)


def _pip(monkeypatch: pytest.MonkeyPatch, pip: Pip) -> None:
    """Let `pip download` be this function of the folder that it downloads to."""

    def run(command: list[str], **options: object) -> None:
        assert command[1:4] == ["-m", "pip", "download"]
        assert command[-1] == "ob-analytics==0.1.0"
        assert options["check"]
        assert options["timeout"]
        pip(Path(command[command.index("--dest") + 1]))

    monkeypatch.setattr(subprocess, "run", run)


def _no_network(_: Path) -> None:
    raise subprocess.CalledProcessError(1, "pip", stderr="WARNING: retrying\nERROR: no network\n")


def _found(given: Path | None = None) -> tuple[sources.Source, list[str]]:
    told: list[str] = []
    return find_source(given, "stop", tell=told.append), told


def _recording(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_generated_recording(folder, 20, seed=seed, compressed=True)


def _lay(path: Path, folder: Path) -> None:
    """Lay a recording where one is looked for."""
    folder.mkdir(parents=True)
    (folder / ORDERS).write_bytes(path.read_bytes())
    (folder / TRADES).write_bytes(path.with_name("small_trades.csv").read_bytes())


def _wheel(recording: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    """A wheel with this recording, which is also the one that is expected."""
    contents = {
        "ob_analytics/_sample_data/orders.csv.gz": recording.read_bytes(),
        "ob_analytics/_sample_data/trades.csv": recording.with_name("small_trades.csv").read_bytes(),
    }
    expected = tuple(member._replace(sha256=sha256(contents[member.path]).hexdigest()) for member in sources._MEMBERS)
    monkeypatch.setattr(sources, "_MEMBERS", expected)
    return lambda folder: _zip(folder, contents)


def _zip(folder: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(folder / "ob_analytics-0.1.0-py3-none-any.whl", "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)


def test_the_file_that_was_given_comes_first(tmp_path: Path) -> None:
    _lay(_recording(tmp_path / "a", 1), tmp_path / "work" / "shared" / "data" / "trading")
    given = _recording(tmp_path / "b", 2)
    source, told = _found(given)
    assert isinstance(source, RecordedSource)
    assert source.name == RecordedSource(given).name
    assert source.description == "recorded order flow, small_orders.csv.gz"
    assert told == [f"Reading {given} …"]


def test_then_the_one_nearby_then_the_one_in_the_cache(tmp_path: Path) -> None:
    nearby, cached = _recording(tmp_path / "a", 1), _recording(tmp_path / "b", 2)
    _lay(cached, cache_folder())
    assert _found()[0].name == RecordedSource(cached).name
    _lay(nearby, tmp_path / "work" / "shared" / "data" / "trading")
    assert _found()[0].name == RecordedSource(nearby).name


def test_half_a_recording_in_the_cache_is_none(tmp_path: Path) -> None:
    _lay(_recording(tmp_path / "a", 1), cache_folder())
    (cache_folder() / TRADES).unlink()
    assert isinstance(_found()[0], GeneratedSource)


def test_then_the_one_in_the_package_index_which_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = _recording(tmp_path / "a", 3)
    _pip(monkeypatch, _wheel(published, monkeypatch))
    source, told = _found()
    assert source.name == RecordedSource(published).name
    assert told[0].startswith("Fetching a recording from the package index (ob-analytics 0.1.0")
    assert sorted(path.name for path in cache_folder().iterdir()) == [ORDERS, TRADES]
    assert cache_folder().is_relative_to(tmp_path / "cache")
    _pip(monkeypatch, _no_network)
    assert _found()[0].name == source.name


def _not_a_wheel(folder: Path) -> None:
    (folder / "ob_analytics-0.1.0-py3-none-any.whl").write_bytes(b"<html>captive portal</html>")


def _not_there(_: Path) -> None:
    raise FileNotFoundError("python is gone")


def _too_slow(_: Path) -> None:
    raise subprocess.TimeoutExpired("pip", 120)


def _without_trades(folder: Path) -> None:
    _zip(folder, {"ob_analytics/_sample_data/orders.csv.gz": b""})


def _tampered(folder: Path) -> None:
    members = ("orders.csv.gz", "trades.csv")
    _zip(folder, {f"ob_analytics/_sample_data/{name}": b"other" for name in members})


@pytest.mark.parametrize(
    ("pip", "reason"),
    [
        (_no_network, "ERROR: no network"),
        (_not_a_wheel, "File is not a zip file"),
        (_not_there, "python is gone"),
        (_too_slow, "timed out after 120 seconds"),
        (_without_trades, "trades.csv is missing in it"),
        (_tampered, "trades.csv in it is not the file that was published"),
    ],
)
def test_when_nothing_can_be_fetched_order_flow_is_generated_and_says_so(
    monkeypatch: pytest.MonkeyPatch, pip: Pip, reason: str
) -> None:
    _pip(monkeypatch, pip)
    source, told = _found()
    assert source.recorded_trades() is None
    assert isinstance(source, GeneratedSource)
    assert source.description == "synthetic order flow, seed 1 (no recording was found or fetched)"
    assert told[1].startswith("It could not be fetched (")
    assert reason in told[1]
    assert not cache_folder().exists()


def test_one_wrong_file_in_a_wheel_keeps_the_other_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = _wheel(_recording(tmp_path / "a", 3), monkeypatch)
    orders = sources._MEMBERS[1]._replace(sha256="0" * 64)
    monkeypatch.setattr(sources, "_MEMBERS", (sources._MEMBERS[0], orders))
    _pip(monkeypatch, pip)
    assert isinstance(_found()[0], GeneratedSource)
    assert not cache_folder().exists()


def test_a_cache_that_cannot_be_written_is_no_disaster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip(monkeypatch, _wheel(_recording(tmp_path / "a", 3), monkeypatch))
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert isinstance(_found()[0], GeneratedSource)


def test_a_file_that_was_given_is_never_replaced_by_something_else(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match="there is no such file"):
        _found(tmp_path / "my_orders.csv")


def test_malformed_trades_stop_or_are_left_out_and_counted(tmp_path: Path) -> None:
    order = "1,1777689380010,1777689380005,78000.0,0.5,created,bid"
    path = write_recording(tmp_path, [order], ["x"])
    with pytest.raises(MalformedRow):
        find_source(path, "stop")
    skipped: list[MalformedRow] = []
    source = find_source(path, "skip", skipped.append)
    assert [row.path.name for row in skipped] == ["small_trades.csv"]
    assert source.left_out == {"malformed_trade": 1}
    assert source.recorded_trades() == []


def test_the_name_tells_inputs_apart_by_both_files(tmp_path: Path) -> None:
    path = _recording(tmp_path / "a", 1)
    name = RecordedSource(path).name
    assert RecordedSource(path).name == name
    assert RecordedSource(_recording(tmp_path / "b", 2)).name != name
    with path.with_name("small_trades.csv").open("a") as trades:
        trades.write("9,1777689380030,1777689380025,78010.0,0.2,3,2,buy\n")
    assert RecordedSource(path).name != name


def test_the_number_of_commands_is_known_beforehand(tmp_path: Path) -> None:
    for source in (RecordedSource(_recording(tmp_path, 1)), GeneratedSource(50)):
        assert sum(1 for _ in source.commands(-1)) == source.commands_in_all
