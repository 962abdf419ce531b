"""`headwater projections`, of a view that has its rows in a database."""

import asyncio
import sys
from pathlib import Path

import pytest

from .driving import environment, fail, json_lines, succeed

APP = ("--app", "shop:shop")

SHOP = """
from headwater import Application, Recorded, project
from headwater.sql import Statement
from tests.bank import Account, Deposited, Withdrawn
from tests.sql_bank import Ledger

FACTOR = 1


class Sums(Ledger, name="Sums"):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> list[Statement]:
        account = recorded.stream.removeprefix("account-")
        return [(self.add, {"account": account, "amount": FACTOR * event.amount})]


class SumsV2(Sums, name="Sums", version=2):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> list[Statement]:
        return [(self.add, {"account": "all", "amount": event.amount})]


class SumsV3(Sums, name="Sums", version=3):
    @project
    def moved(self, event: Deposited | Withdrawn, recorded: Recorded) -> list[Statement]:
        raise ValueError("unlucky")


shop = Application("shop", store="sqlite:///shop.db", aggregates=[Account], projections=[Sums, SumsV2, SumsV3])
"""

ASK = """
import asyncio, sys
from shop import shop
from tests.bank import BalanceOf, Deposit

async def main():
    async with shop:
        for amount in sys.argv[2:]:
            await shop.dispatch(Deposit("a", int(amount)), wait_for=[shop.projections[0]])
        [status] = await shop.views()
        print(status.view, await shop.query(BalanceOf(sys.argv[1])))

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    assert asked(tmp_path, "a", 1, 2, 3) == "Sums v1 6"
    return tmp_path


def asked(folder: Path, account: str, *deposits: int) -> str:
    """Run the application: deposit, then tell which version serves, and what it answers."""
    return asyncio.run(_asked(folder, account, *map(str, deposits)))


async def _asked(folder: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASK, *arguments, cwd=folder, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().strip()


def statuses(folder: Path) -> list[tuple[object, ...]]:
    found = json_lines(succeed("projections", "status", *APP, cwd=folder))
    return [(one["view"], one["active"], one["position"], one["lag"]) for one in found]


@pytest.mark.row("BC-03")
def test_a_version_is_built_in_tables_of_its_own_and_chosen(folder: Path) -> None:
    assert statuses(folder) == [("Sums v1", True, 3, 0), ("Sums v2", False, 0, 3), ("Sums v3", False, 0, 3)]
    [built] = json_lines(succeed("projections", "rebuild", "Sums", "--version", "2", *APP, cwd=folder))
    assert (built["view"], built["position"], built["stored"]) == ("Sums v2", 3, True)
    assert asked(folder, "a") == "Sums v1 6"
    succeed("projections", "swap", "Sums", "2", *APP, cwd=folder)
    assert asked(folder, "all", 4) == "Sums v2 10"
    assert statuses(folder) == [("Sums v1", False, 3, 1), ("Sums v2", True, 4, 0), ("Sums v3", False, 0, 4)]


def test_a_build_that_fails_leaves_no_tables(folder: Path) -> None:
    said = fail("projections", "rebuild", "Sums", "--version", "3", *APP, cwd=folder)
    assert "view 'Sums v3' stopped at position 1: ValueError: unlucky" in said
    assert statuses(folder)[0] == ("Sums v1", True, 3, 0)
    assert asked(folder, "a") == "Sums v1 6"


@pytest.mark.row("BC-03")
def test_the_version_that_serves_is_emptied_only_when_asked_for(folder: Path) -> None:
    (folder / "shop.py").write_text(SHOP.replace("FACTOR = 1", "FACTOR = 2"))
    said = fail("projections", "rebuild", "Sums", *APP, cwd=folder)
    assert "raise the projection's version; or stop the application and empty them" in " ".join(said.split())
    assert asked(folder, "a") == "Sums v1 6"
    [built] = json_lines(succeed("projections", "rebuild", "Sums", "--in-place", *APP, cwd=folder))
    assert (built["view"], built["position"]) == ("Sums v1", 3)
    assert asked(folder, "a") == "Sums v1 12"
