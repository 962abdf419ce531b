"""Ties tests to the promises they prove. A promise is called a row, and has an id such as `GS-05`.

As a pytest plugin, named in the top `conftest.py`:

    pytest_plugins = ["headwater.testing.rows"]

it registers the mark `@pytest.mark.row("GS-05", "GS-07")` and checks every id against `docs/rows.toml`
under pytest's root directory. An id that is not there, or a mark without ids, ends the run before the first test.

As a command, `python -m headwater.testing.rows` runs the tests that carry rows, prints how many rows they prove
and writes `docs/parity.md`.
"""

from headwater.testing.rows.plugin import pytest_addoption, pytest_collection_modifyitems, pytest_configure

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure"]
