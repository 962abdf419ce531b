"""`headwater projections`: what is stored of views, built, and chosen."""

import asyncio
from pathlib import Path

import pytest

from headwater.cli.opening import load_application
from headwater.store.store import EventStore
from tests.bank import BalanceOf, Deposited

from .driving import fail, headwater, json_lines, on_terminal, succeed

SHOP = """
from tests.bank import Account, Audited, BalanceOf, Balances
from tests.cqrs.views import Stubborn, Sums, SumsV2
from headwater import Application

shop = Application("shop", store="sqlite:///shop.db", aggregates=[Account], projections=[Sums, SumsV2, Stubborn])
bank = Application("bank", store="sqlite:///shop.db", aggregates=[Account], projections=[Balances], events=[Audited])
"""

APP = ("--app", "shop:shop")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[2] / 'src'}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    asyncio.run(_fill(tmp_path))
    return tmp_path


async def _fill(folder: Path) -> None:
    shop = load_application("shop:shop")
    async with await EventStore.open(f"sqlite:///{folder}/shop.db", shop.codec) as store:
        await store.append("account-a", [Deposited(1)] * 3)
        await store.append("account-a", [Deposited(13)])


@pytest.mark.row("BC-03")
def test_a_version_is_built_and_chosen_for_the_next_start(folder: Path) -> None:
    statuses = json_lines(succeed("projections", "status", *APP, cwd=folder))
    shown = [(one["view"], one["active"], one["position"], one["head"], one["lag"], one["rows"]) for one in statuses]
    assert shown == [
        ("Sums v1", True, 0, 4, 4, None),
        ("Sums v2", False, 0, 4, 4, None),
        ("Sums v3", False, 0, 4, 4, None),
    ]
    [built] = json_lines(succeed("projections", "rebuild", "Sums", "--version", "2", *APP, cwd=folder))
    assert (built["view"], built["position"], built["stored"]) == ("Sums v2", 4, True)
    [swapped] = json_lines(succeed("projections", "swap", "Sums", "2", *APP, cwd=folder))
    assert swapped == {"view": "Sums v2", "active": True}
    first, second, _ = json_lines(succeed("projections", "status", *APP, cwd=folder))
    assert (first["active"], second["active"], second["position"], second["rows"]) == (False, True, 4, 1)
    assert asyncio.run(_asked(folder)) == ("Sums v2", 4, 1_600)
    [built] = json_lines(succeed("projections", "rebuild", "Sums", *APP, cwd=folder))
    assert built["view"] == "Sums v2"


async def _asked(folder: Path) -> tuple[str, int | None, int]:
    shop = load_application("shop:shop")
    async with shop:
        [status] = await shop.views()
        return status.view, status.snapshot, await shop.query(BalanceOf("a"))


def test_a_rebuild_stops_at_the_first_error_and_leaves_what_is_stored(folder: Path) -> None:
    assert "stopped at position 4: ValueError: unlucky" in fail(
        "projections", "rebuild", "Sums", "--version", "3", *APP, cwd=folder
    )
    assert "no version 9 of view 'Sums'; known: Sums v1, Sums v2" in fail(
        "projections", "swap", "Sums", "9", *APP, cwd=folder
    )
    assert "no view 'Nothing'; known: Sums" in fail("projections", "rebuild", "Nothing", *APP, cwd=folder)
    _, second, _ = json_lines(succeed("projections", "status", *APP, cwd=folder))
    assert second["active"] is False


def test_what_stores_nothing_says_so(folder: Path) -> None:
    done = headwater("projections", "rebuild", "Balances", "--app", "shop:bank", cwd=folder)
    [built] = json_lines(done.stdout)
    assert (done.returncode, built["stored"], built["position"]) == (0, False, 4)
    assert "no snapshot_every" in done.stderr


def test_beside_the_application_that_runs_it_can_only_be_looked_at(folder: Path) -> None:
    async def main() -> None:
        async with load_application("shop:shop"):
            await asyncio.to_thread(succeed, "projections", "status", *APP, cwd=folder)
            said = await asyncio.to_thread(fail, "projections", "rebuild", "Sums", *APP, cwd=folder)
            assert "locked" in said or "writes" in said

    asyncio.run(main())


def test_on_a_terminal_it_is_a_table(folder: Path) -> None:
    _, shown = on_terminal("projections", "status", *APP, cwd=folder)
    assert "stored up to" in shown
    assert "Sums v2" in shown
