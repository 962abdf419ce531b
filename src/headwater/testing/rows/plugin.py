"""The pytest plugin: the mark `row`, its check against the catalogue, and the record of a run."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.testing.rows.catalogue import CATALOGUE, CatalogueError, read_catalogue
from headwater.testing.rows.outcomes import SEVERITY, Outcome, RowTest, Run, write_run

OUTCOMES_OPTION = "--row-outcomes"
"""The option of pytest that names the file for the record of the run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--row-outcomes FILE`."""
    parser.addoption(
        OUTCOMES_OPTION,
        type=Path,
        metavar="FILE",
        help="run only the tests that carry rows, and write their outcomes to FILE",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark and, if asked for, the recorder."""
    config.addinivalue_line("markers", f"row(*ids): the test proves these rows of {CATALOGUE.as_posix()}")
    if (path := config.getoption(OUTCOMES_OPTION)) is not None:
        config.stash[_RECORDER] = recorder = Recorder(path)
        config.pluginmanager.register(recorder)


@pytest.hookimpl(tryfirst=True)  # before any deselection: a wrong id is found in a run of a part too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the rows of all collected tests.

    Raises:
        pytest.UsageError: A mark has no ids, or an id that the catalogue doesn't know, or there is no catalogue.
            The message names each such test.
    """
    marked = [item for item in items if _is_marked(item)]
    if marked:
        _check_marks(marked, config.rootpath / CATALOGUE)
    if (recorder := config.stash.get(_RECORDER, None)) is not None:
        recorder.expect(marked)
        config.hook.pytest_deselected(items=[item for item in items if not _is_marked(item)])
        items[:] = marked


def _is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker("row") is not None


def _check_marks(marked: list[pytest.Item], path: Path) -> None:
    try:
        known = list(read_catalogue(path).titles())
    except CatalogueError as error:
        raise pytest.UsageError(f"the rows that tests carry cannot be checked: {error}") from error
    if problems := [f"{item.nodeid}: {problem}" for item in marked for problem in _problems(item, known)]:
        raise pytest.UsageError("\n".join(problems))


def _problems(item: pytest.Item, known: list[str]) -> Iterator[str]:
    for mark in item.iter_markers("row"):
        if mark.kwargs or not mark.args:
            yield 'a row mark takes ids only, at least one: @pytest.mark.row("GS-05")'
        for row in mark.args:
            if row not in known:
                yield f"unknown row {row!r}{_suggestion(str(row), known)}"


def _suggestion(row: str, known: list[str]) -> str:
    near = difflib.get_close_matches(row.upper(), known, n=3)
    return f"; near it: {', '.join(near)}" if near else ""


def _rows(item: pytest.Item) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row for mark in item.iter_markers("row") for row in mark.args))


def _name(item: pytest.Item) -> str:
    plain = item.originalname if isinstance(item, pytest.Function) else item.name
    return item.nodeid.removesuffix(item.name) + plain


class Recorder:
    """Notes what becomes of the tests that carry rows, and writes it to a file when the run ends.

    A test that was expected and never reported stays `not run`: a run that stops early claims nothing for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, RowTest] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._uncollected: list[str] = []

    def expect(self, marked: list[pytest.Item]) -> None:
        """Take note of the tests that carry rows."""
        self._tests = {item.nodeid: RowTest(_name(item), _rows(item), "not run") for item in marked}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what was skipped as a whole."""
        if report.skipped:
            self._uncollected.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test. The worst phase is the test's outcome."""
        before = self._outcomes.get(report.nodeid, "not run")
        self._outcomes[report.nodeid] = max(before, _outcome(report), key=SEVERITY.index)

    def pytest_sessionfinish(self) -> None:
        """Write the record."""
        tests = [
            RowTest(test.name, test.rows, self._outcomes.get(node, "not run")) for node, test in self._tests.items()
        ]
        write_run(Run(tests, self._uncollected), self._path)


_RECORDER = pytest.StashKey[Recorder]()


def _outcome(report: pytest.TestReport) -> Outcome:
    if report.failed:
        return "failed"
    if report.skipped or hasattr(report, "wasxfail"):
        return "skipped"
    # A setup or teardown that passes says nothing about the test itself.
    return "passed" if report.when == "call" else "not run"
