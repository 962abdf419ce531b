"""Random commands by many clients to several applications on one log; processes are killed, applications restarted,
answers lost, commands sent again. What was answered is true in the log, each command has one effect, money is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.postgres_server import SHARED, wipe, with_options

from .adversary.run import check, run

ROWS = pytest.mark.row("CM-09", "BC-05", "BC-14")


def attack(url: str, nodes: int, seed: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(120):
            seen = check(*await run(url, nodes, seed))
        assert seen["Committed"] >= 80, "not much was tried"
        assert seen["Rejected"] >= 20, "not much was tried"
        assert seen["kills"], "nothing was disturbed"

    asyncio.run(main())


@ROWS
@pytest.mark.parametrize("seed", range(3))
def test_one_application_on_sqlite(tmp_path: Path, seed: int) -> None:
    attack(f"sqlite:///{tmp_path}/bank.db", 1, f"sqlite {seed}")


@ROWS
@pytest.mark.row("CM-33")
@pytest.mark.parametrize("seed", range(2))
def test_three_applications_on_postgres(postgres: str, seed: int) -> None:
    asyncio.run(wipe(postgres, SHARED))
    attack(with_options(postgres, schema=SHARED), 3, f"postgres {seed}")
