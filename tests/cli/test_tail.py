"""`headwater tail`: beside the process that writes."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater import Application
from headwater.examples.exchange.messages import OpenBook
from headwater.examples.exchange.venue import venue

from .driving import on_terminal, start


async def _write(application: Application, *instruments: str) -> None:
    for instrument in instruments:
        await application.dispatch(OpenBook(instrument, 2, 8))


def _decoded(line: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(line)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_begins_with_the_last_events_and_goes_on_with_each_new_one(tmp_path: Path, number: signal.Signals) -> None:
    async def follow() -> tuple[int, str]:
        async with venue(f"sqlite:///{tmp_path}/v.db") as application:
            await _write(application, "a", "b", "c")
            with start("tail", "v.db", "--last", "2", cwd=tmp_path) as child:
                assert child.stdout is not None
                lines = [await asyncio.to_thread(child.stdout.readline) for _ in range(2)]
                for name in ("d", "e"):
                    await _write(application, name)
                    lines.append(await asyncio.to_thread(child.stdout.readline))
                assert [_decoded(line)["stream"] for line in lines] == [f"market-{name}" for name in "bcde"]
                child.send_signal(number)
                rest, complaint = await asyncio.to_thread(child.communicate)
                return child.returncode, rest + complaint

    assert asyncio.run(follow()) == (0, "")


def test_one_stream_can_be_followed_before_it_exists(tmp_path: Path) -> None:
    async def follow() -> None:
        async with venue(f"sqlite:///{tmp_path}/v.db") as application:
            await _write(application, "a")
            with start("tail", "v.db", "--stream", "market-z", cwd=tmp_path) as child:
                assert child.stdout is not None
                assert child.stderr is not None
                note = await asyncio.to_thread(child.stderr.readline)
                assert note == "There is no stream 'market-z' yet; waiting for its first event.\n"
                await _write(application, "b", "z")
                line = await asyncio.to_thread(child.stdout.readline)
                assert _decoded(line)["stream"] == "market-z"
                assert _decoded(line)["position"] == 3
                child.send_signal(signal.SIGINT)
                assert (await asyncio.to_thread(child.communicate), child.returncode) == (("", ""), 0)

    asyncio.run(follow())


def test_it_outlives_the_writer_and_follows_the_next_one(tmp_path: Path) -> None:
    async def follow() -> None:
        async with venue(f"sqlite:///{tmp_path}/v.db") as application:
            await _write(application, "a")
        with start("tail", "v.db", cwd=tmp_path) as child:
            assert child.stdout is not None
            assert _decoded(await asyncio.to_thread(child.stdout.readline))["position"] == 1
            for position, name in enumerate(("b", "c"), start=2):
                async with venue(f"sqlite:///{tmp_path}/v.db") as application:
                    await _write(application, name)
                assert _decoded(await asyncio.to_thread(child.stdout.readline))["position"] == position
            child.send_signal(signal.SIGTERM)
            assert (await asyncio.to_thread(child.communicate), child.returncode) == (("", ""), 0)

    asyncio.run(follow())


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    async def write() -> None:
        async with venue(f"sqlite:///{tmp_path}/v.db") as application:
            await _write(application, "a", "bcd")

    asyncio.run(write())
    code, shown = on_terminal(
        "tail", "v.db", cwd=tmp_path, then=lambda text: signal.SIGINT if "market-bcd" in text else None
    )
    header, *rows = shown.splitlines()
    assert code == 0
    assert header.split() == ["position", "time", "(UTC)", "stream", "type", "data"]
    assert [row.split()[0] for row in rows[:2]] == ["1", "2"]
    assert "Traceback" not in shown
