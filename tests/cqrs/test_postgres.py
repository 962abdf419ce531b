"""What applications promise, on PostgreSQL: tests that are run on SQLite elsewhere."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bank import NAMED_STORE
from tests.cqrs import test_application, test_idempotent_commands, test_snapshots
from tests.postgres_server import SHARED, wipe, with_options

MODULES = (test_application, test_idempotent_commands, test_snapshots)
FIXTURES = {"tmp_path", "monkeypatch", "caplog"}
OF_SQLITE = {test_application.test_undisturbed_commands_are_decided_once}
"""They look into the adapter."""


def on_a_store() -> Iterator[Callable[..., None]]:
    """The tests that open a store in their folder, and need nothing special."""
    for module in MODULES:
        for name, test in vars(module).items():
            if name.startswith("test_") and test not in OF_SQLITE and {"tmp_path"} <= fixtures(test) <= FIXTURES:
                yield test


def fixtures(test: Callable[..., None]) -> set[str]:
    return set(inspect.signature(test).parameters)


@pytest.mark.parametrize("test", list(on_a_store()), ids=lambda test: test.__name__)
def test_on_postgres(test: Callable[..., None], postgres: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    asyncio.run(wipe(postgres, SHARED))
    (tmp_path / NAMED_STORE).write_text(with_options(postgres, schema=SHARED))
    test(**{name: request.getfixturevalue(name) for name in fixtures(test)})


def test_enough_is_run_on_postgres() -> None:
    names = {test.__name__ for test in on_a_store()}
    assert len(names) >= 35
    assert test_application.test_after_a_restart_everything_is_there_again.__name__ in names
