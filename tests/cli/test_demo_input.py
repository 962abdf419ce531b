"""Input that is wrong is named to the character, and costs nothing."""

from pathlib import Path

import pytest

from tests.examples.exchange.recordings import write_recording

from .driving import essence, fail, headwater, log

GOOD = [
    "1,1777689380010,1777689380005,78000.0,0.5,created,bid",
    "2,1777689380020,1777689380015,78010.0,0.5,created,ask",
    "3,1777689380030,1777689380025,78010.0,0.2,created,bid",
]
BAD = "4,1777689380040,1777689380035,78x.0,0.5,created,bid"
TRADE = "9,1777689380030,1777689380025,78010.0,0.2,3,2,buy"


def _with_bad_rows(folder: Path, count: int) -> Path:
    return write_recording(folder, [GOOD[0], *[BAD] * count, *GOOD[1:]], [TRADE])


def test_a_malformed_row_stops_before_anything_runs(tmp_path: Path) -> None:
    recording = _with_bad_rows(tmp_path, 1)
    complaint = fail("demo", "exchange", "--input", recording, "--database", "new.db", cwd=tmp_path)
    [line] = [line for line in complaint.splitlines() if line.startswith("headwater: ")]
    assert line.startswith(f"headwater: {recording}, line 3: price is '78x.0', expected ")
    assert not list(tmp_path.glob("new.db*"))


def test_malformed_rows_are_left_out_if_wanted_and_counted(tmp_path: Path) -> None:
    recording = _with_bad_rows(tmp_path, 7)
    arguments = ["--input", recording, "--on-error", "skip"]
    done = headwater("demo", "exchange", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("headwater: left out: ")]
    assert [line.split(": ")[2] for line in told[:5]] == [f"{recording}, line {line}" for line in range(3, 8)]
    assert told[5:] == ["headwater: left out: more rows, counted in the report"]
    assert "  left out: malformed  7\n" in done.stdout
    assert [event.type for event in log(tmp_path / "exchange-demo.db")][-1] == "traded"
    assert "  identical      1 in buyer" in done.stdout


def test_malformed_trades_are_counted_too(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, GOOD, [TRADE, TRADE.replace("buy", "bought")])
    complaint = fail("demo", "exchange", "--input", recording, cwd=tmp_path)
    assert "line 3: side is 'bought'" in complaint
    done = headwater("demo", "exchange", "--input", recording, "--on-error", "skip", cwd=tmp_path)
    assert done.returncode == 0
    assert "  left out: malformed trade  1\n" in done.stdout


def test_a_run_that_left_rows_out_can_be_gone_on_with(tmp_path: Path) -> None:
    recording = _with_bad_rows(tmp_path, 2)
    arguments = ["demo", "exchange", "--input", recording, "--on-error", "skip", "--database"]
    assert headwater(*arguments, "whole.db", cwd=tmp_path).returncode == 0
    assert headwater(*arguments, "parts.db", "--limit", "2", cwd=tmp_path).returncode == 0
    assert headwater(*arguments, "parts.db", "--resume", cwd=tmp_path).returncode == 0
    assert essence(tmp_path / "parts.db") == essence(tmp_path / "whole.db")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("diary.txt", b"", "its name does not end in _orders.csv or _orders.csv.gz"),
        ("missing_orders.csv", None, "there is no such file"),
        ("diary_orders.csv", b"dear diary\n", "its first line is 'dear diary', expected 'id,timestamp"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert f"headwater: {path} is not a recording: {complaint}" in fail(
        "demo", "exchange", "--input", path, cwd=tmp_path
    )
    assert not list(tmp_path.glob("exchange-demo.db*"))


def test_an_unknown_way_to_treat_errors_is_refused(tmp_path: Path) -> None:
    complaint = fail("demo", "exchange", "--on-error", "ignore", cwd=tmp_path, code=2)
    assert "--on-error is stop or skip, not ignore" in complaint
    assert not list(tmp_path.iterdir())
