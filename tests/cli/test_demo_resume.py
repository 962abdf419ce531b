"""A run that is stopped in whatever way goes on where it was: nothing is lost, nothing happens twice."""

import asyncio
import random
import re
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.examples.exchange.recordings import write_generated_recording

from .conftest import SMALL_ROWS, Demo
from .driving import essence, fail, headwater, log, make_store, on_terminal, start, until_position

KILLS = 5


def _kill_in_the_middle(demo: Demo, path: Path, rng: random.Random) -> None:
    """Let a run commit some events, and kill it at a random moment."""
    target = len(log(path)) + rng.randrange(1, 2_000)
    with start("demo", "exchange", "--input", demo.recording, "--database", path, "--resume", cwd=path.parent) as child:
        asyncio.run(until_position(path, target))
        deadline = time.perf_counter() + rng.random() * 0.01
        while time.perf_counter() < deadline:  # a random moment of a transaction
            pass
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL


def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(tmp_path: Path, demo: Demo) -> None:
    path, rng = tmp_path / "demo.db", random.Random(7)
    make_store(path)
    for _ in range(KILLS):
        before = len(log(path))
        _kill_in_the_middle(demo, path, rng)
        found = essence(path)
        assert before < len(found) < len(demo.events)
        assert found == demo.events[: len(found)]
    done = headwater("demo", "exchange", "--input", demo.recording, "--database", path, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert essence(path) == demo.events
    assert _market(done.stdout) == _market(demo.report)
    assert "behind row" in done.stdout
    assert "FAILED" not in done.stdout


def _market(report: str) -> str:
    return report[report.index("\nMarket\n") : report.index("\nLog\n")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_in_good_order_and_tells_how_to_go_on(
    tmp_path: Path, small_demo: Demo, number: signal.Signals
) -> None:
    path = tmp_path / "my demo.db"
    make_store(path)
    arguments = ["demo", "exchange", "--input", small_demo.recording, "--database", path, "--resume"]
    with start(*arguments, "--in-flight", "5", cwd=tmp_path) as child:
        asyncio.run(until_position(path, 300))
        child.send_signal(number)
        out, err = child.communicate()
    assert (child.returncode, out) == (128 + number, "")
    *_, stopped, how = err.splitlines()
    assert stopped.startswith("Stopped behind row ")
    assert stopped.endswith(". All that was answered is durable.")
    assert not Path(f"{path}-wal").exists()
    assert 300 <= len(log(path)) < len(small_demo.events)
    program, *words = shlex.split(how.removeprefix("Go on with: "))
    assert program == "headwater"
    assert words == ["demo", "exchange", "--resume", "--input", str(small_demo.recording), "--database", str(path)]
    assert headwater(*words, cwd=tmp_path).returncode == 0
    assert essence(path) == small_demo.events


def test_ctrl_c_on_a_terminal_takes_the_progress_bar_away(tmp_path: Path, small_demo: Demo) -> None:
    arguments = ["demo", "exchange", "--input", small_demo.recording, "--in-flight", "1"]
    code, shown = on_terminal(*arguments, cwd=tmp_path, then=_interrupt_when_running)
    assert code == 130
    assert "Traceback" not in shown
    *_, bar, stopped, how, rest = shown.split("\n")
    assert bar.startswith("commands ━") or not bar.strip()
    assert stopped.strip().startswith("Stopped ")
    assert how.startswith("Go on with: headwater demo exchange --resume --input ")
    assert rest == ""


def _interrupt_when_running(shown: str) -> signal.Signals | None:
    return signal.SIGINT if re.search(r"[1-9]\d*/\d+", shown) else None


def test_a_limit_is_an_interruption_too(tmp_path: Path, small_demo: Demo) -> None:
    path = tmp_path / "demo.db"
    for _ in range(3):
        arguments = ["--input", small_demo.recording, "--database", path, "--resume", "--limit", "800"]
        done = headwater("demo", "exchange", *arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert "answered" in done.stdout
    found = essence(path)
    assert 0 < len(found) < len(small_demo.events)
    assert found == small_demo.events[: len(found)]


def test_a_finished_run_has_nothing_to_go_on_with(tmp_path: Path, small_demo: Demo) -> None:
    done = headwater(
        "demo", "exchange", "--input", small_demo.recording, "--database", small_demo.path, "--resume", cwd=tmp_path
    )
    assert done.returncode == 0
    assert essence(small_demo.path) == small_demo.events
    assert f"{SMALL_ROWS:,}" in done.stdout


def test_another_input_is_refused_and_nothing_is_written(tmp_path: Path, small_demo: Demo) -> None:
    other = write_generated_recording(tmp_path, 100, seed=2)
    arguments = ["demo", "exchange", "--database", small_demo.path, "--resume", "--input"]
    complaint = fail(*arguments, other, cwd=tmp_path)
    assert f"{small_demo.path} was begun with another input" in complaint
    assert "give the --input that it was begun with, or another --database" in complaint
    assert essence(small_demo.path) == small_demo.events


def test_another_trades_file_is_another_input(tmp_path: Path, small_demo: Demo) -> None:
    orders = tmp_path / small_demo.recording.name
    orders.write_bytes(small_demo.recording.read_bytes())
    trades = tmp_path / small_demo.recording.name.replace("_orders", "_trades")
    trade = "1,1777689383889,1777689383817,78000.0,0.1,1,2,buy\n"
    trades.write_text(small_demo.recording.with_name(trades.name).read_text() + trade)
    assert "another input" in fail(
        "demo", "exchange", "--database", small_demo.path, "--resume", "--input", orders, cwd=tmp_path
    )


def test_without_a_database_to_go_on_with_a_run_begins_at_the_beginning(tmp_path: Path, small_demo: Demo) -> None:
    path = tmp_path / "new.db"
    arguments = ["demo", "exchange", "--input", small_demo.recording, "--database", path, "--resume", "--limit", "50"]
    done = headwater(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert f"There is no {path} to go on with: the run begins at the beginning." in done.stderr
    found = essence(path)
    assert found == small_demo.events[: len(found)]
    assert found
