"""`headwater state`: now and then."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path

import pytest

from headwater import Recorded
from headwater.examples.exchange import matching
from headwater.examples.exchange.market import Market
from headwater.examples.exchange.messages import BookEvent
from headwater.examples.exchange.venue import venue
from headwater.store.store import EventStore

from .conftest import Demo
from .driving import fail, headwater, json_lines, on_terminal, succeed

EXCHANGE = ["--app", "headwater.examples.exchange.venue:exchange"]

SHOP = """
from headwater import Aggregate, Application, Event, evolve

class Sold(Event):
    amount: int

class Shop(Aggregate, identity="shop"):
    sales: int = 0

    @evolve
    def sold(self, event: Sold) -> None:
        self.sales += event.amount

shop = Application("shop", store="sqlite:///shop.db", aggregates=[Shop])
nothing = None
"""


def _recorded(path: Path) -> list[Recorded]:
    async def read() -> list[Recorded]:
        codec = venue("sqlite:///unused.db").codec
        async with await EventStore.open(f"sqlite:///{path}", codec, read_only=True) as store:
            return [recorded async for recorded in store.read_all()]

    return asyncio.run(read())


def _folded(events: list[Recorded]) -> Mapping[str, object]:
    market = Market("btcusd")
    for recorded in events:
        assert isinstance(recorded.event, BookEvent)
        matching.evolve(market.book, recorded.event)
    return market.describe()


def _shown(demo: Demo, folder: Path, *options: str) -> dict[str, object]:
    [shown] = json_lines(succeed("state", "Market", "btcusd", *EXCHANGE, "--database", demo.path, *options, cwd=folder))
    return shown


def test_it_equals_a_fold_of_the_events_at_every_kind_of_moment(tmp_path: Path, small_demo: Demo) -> None:
    events = _recorded(small_demo.path)
    half = len(events) // 2
    instant = events[half].recorded_at
    by_then = [recorded for recorded in events if recorded.recorded_at <= instant]
    assert half < len(by_then) < len(events)
    moments = [
        ([], events),
        (["--at", f"version:{half}"], events[:half]),
        (["--at", f"position:{half + 1}"], events[: half + 1]),
        (["--at", instant.isoformat()], by_then),
        (["--at", instant.astimezone(UTC).replace(tzinfo=None).isoformat()], by_then),
        (["--at", "position:999999999"], events),
    ]
    for options, folded in moments:
        expected = {"type": "Market", "id": "btcusd", "version": len(folded), "position": len(folded)}
        assert _shown(small_demo, tmp_path, *options) == {**expected, **_folded(folded)}


def test_the_category_is_a_name_too_and_the_application_can_stand_in_the_environment(
    tmp_path: Path, small_demo: Demo
) -> None:
    done = headwater(
        *("state", "market", "btcusd", "--database", small_demo.path), cwd=tmp_path, HEADWATER_APP=EXCHANGE[1]
    )
    assert json_lines(done.stdout) == [_shown(small_demo, tmp_path)]


def test_a_terminal_gets_a_line_for_each_field(tmp_path: Path, small_demo: Demo) -> None:
    code, shown = on_terminal(
        *("state", "Market", "btcusd", *EXCHANGE, "--database", small_demo.path, "--at", "version:500"), cwd=tmp_path
    )
    lines = [line.strip().split(maxsplit=1) for line in shown.splitlines()]
    assert code == 0
    assert lines[0] == ["field", "value"]
    assert [line[0] for line in lines[1:7]] == ["type", "id", "version", "position", "instrument", "trading"]
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("at", [[], ["--at", "position:10"]])
def test_an_aggregate_without_events_is_not_passed_off_as_one_that_is(
    tmp_path: Path, small_demo: Demo, at: list[str]
) -> None:
    done = headwater("state", "Market", "btcuds", *EXCHANGE, "--database", small_demo.path, *at, cwd=tmp_path)
    assert done.returncode == 0
    by_then = " by then" if at else ""
    assert done.stderr == f"Market 'btcuds' has no events{by_then}: this is how it begins.\n"
    assert json_lines(done.stdout)[0]["version"] == 0


def test_what_is_no_moment_is_refused(tmp_path: Path, small_demo: Demo) -> None:
    complaint = fail(
        *("state", "Market", "btcusd", *EXCHANGE, "--database", small_demo.path, "--at", "yesterday"), cwd=tmp_path
    )
    assert complaint == (
        "headwater: 'yesterday' is no moment: write version:7, position:100, or a time such as 2026-05-02T02:40:00Z\n"
    )


def test_an_application_of_ones_own_is_found_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "shops.py").write_text(SHOP)
    code = "import asyncio, shops\nasync def sell():\n async with shops.shop as shop:\n  "
    code += "await shop.store.append('shop-1', [shops.Sold(5), shops.Sold(6)])\nasyncio.run(sell())"
    _python(code, tmp_path)
    shown = json_lines(succeed("state", "Shop", "1", "--app", "shops:shop", cwd=tmp_path))
    assert shown == [{"type": "Shop", "id": "1", "version": 2, "position": 2, "sales": 11}]
    assert "application 'shop' has no aggregate 'Shops'; it has: Shop" in fail(
        "state", "Shops", "1", "--app", "shops:shop", cwd=tmp_path
    )


def _python(code: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("shops", "an application is named package.module:variable, not 'shops'"),
        (":shop", "an application is named package.module:variable, not ':shop'"),
        ("nowhere:shop", "nowhere can't be imported: No module named 'nowhere'"),
        ("shops:market", "shops has no variable 'market'"),
        ("shops:nothing", "shops:nothing is of type NoneType, not an Application"),
        ("broken:shop", "broken can't be imported: SyntaxError"),
        ("raising:shop", "raising can't be imported: ZeroDivisionError"),
    ],
)
def test_what_is_no_application_is_refused(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "shops.py").write_text(SHOP)
    (tmp_path / "broken.py").write_text("shop = = 1")
    (tmp_path / "raising.py").write_text("shop = 1 / 0")
    assert f"headwater: {complaint}" in fail("state", "Shop", "1", "--app", name, cwd=tmp_path)


def test_the_application_must_be_named(tmp_path: Path) -> None:
    assert "--app" in fail("state", "Shop", "1", cwd=tmp_path, code=2)
