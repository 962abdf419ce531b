"""The command: refreshes the catalogue, runs the tests that carry rows, reports what they prove."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headwater.testing.rows.catalogue import CATALOGUE, Catalogue, CatalogueError, format_catalogue, read_catalogue
from headwater.testing.rows.markdown import read_documents
from headwater.testing.rows.outcomes import Run, read_run
from headwater.testing.rows.parity import assess, contradictions
from headwater.testing.rows.plugin import OUTCOMES_OPTION
from headwater.testing.rows.refresh import Refresh, refresh
from headwater.testing.rows.report import coverage_lines, parity_document, parity_lines

PARITY = Path("docs", "parity.md")
"""Where the document is written, relative to the project's root."""

_SHOWN_IDS = 10
_DOCUMENTS = Path("..", "shared", "rows")
_ANSWERED = {0, 1, 5}  # pytest: all passed, some failed, none collected; with any other code it did not get through


class RunError(Exception):
    """Pytest did not get through, so nothing is known about the rows."""


class _Options(argparse.Namespace):
    paths: list[str]
    rows: Path | None
    brief: bool
    check: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in the current directory, the project's root.

    Writes `docs/rows.toml` if the documents that list the rows are there, and `docs/parity.md` after a run of all
    tests; neither with `--check`, and `docs/parity.md` not after a run that did not get through.

    Args:
        arguments: The command line; that of the process by default.

    Returns:
        0 if nothing is inconsistent (open rows are fine), else 1. Inconsistent is: a test that carries a row fails,
        a row vanished from the documents, an exception contradicts itself, pytest did not get through, and with
        `--check` a file that is not up to date.
    """
    options = _parse(arguments)
    problems = list(_problems(options))
    _print(f"Inconsistent: {problem}" for problem in problems)
    return 1 if problems else 0


def _parse(arguments: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(
        prog="python -m headwater.testing.rows", description="Report which rows the tests prove."
    )
    parser.add_argument("paths", nargs="*", help=f"run these tests only; {PARITY.as_posix()} is not written then")
    parser.add_argument("--rows", type=Path, metavar="DIR", help=f"the documents (default: {_DOCUMENTS.as_posix()})")
    parser.add_argument("--brief", action="store_true", help="print counts only, not the missing rows")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    options = parser.parse_args(arguments, _Options())
    if options.check and options.paths:
        parser.error("--check needs a run of all tests")
    return options


def _problems(options: _Options) -> Iterator[str]:
    try:
        yield from _parity(options)
    except (CatalogueError, RunError) as error:
        yield str(error)


def _parity(options: _Options) -> Iterator[str]:
    catalogue = read_catalogue(CATALOGUE) if (refreshed := _refreshed(options.rows)) is None else refreshed.catalogue
    if refreshed is not None:
        _print(_changes(refreshed))
        yield from (f"{row} is in no document any more" for row in refreshed.vanished)
        yield from _keep(CATALOGUE, format_catalogue(catalogue), check=options.check)
    run = _run(options.paths)
    groups = assess(catalogue, run)
    _print(parity_lines(groups, brief=options.brief))
    _print(coverage_lines(run, options.paths))
    yield from contradictions(catalogue, groups)
    if not options.paths:
        yield from _keep(PARITY, parity_document(groups), check=options.check)


def _refreshed(directory: Path | None) -> Refresh | None:
    if directory is None and not _DOCUMENTS.is_dir():
        return None
    old = read_catalogue(CATALOGUE) if CATALOGUE.exists() else Catalogue({})
    return refresh(old, read_documents(directory or _DOCUMENTS))


def _changes(refreshed: Refresh) -> Iterator[str]:
    if refreshed.added:
        yield f"New rows: {_enumerated(refreshed.added)}"
    if refreshed.retitled:
        yield f"New titles: {_enumerated(refreshed.retitled)}"


def _enumerated(ids: list[str]) -> str:
    shown = ", ".join(ids[:_SHOWN_IDS])
    return shown if len(ids) <= _SHOWN_IDS else f"{shown} and {len(ids) - _SHOWN_IDS} more"


def _keep(path: Path, text: str, *, check: bool) -> Iterator[str]:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    if check:
        yield f"{path.as_posix()} is not up to date"
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _run(paths: list[str]) -> Run:
    with tempfile.TemporaryDirectory() as directory:
        record = Path(directory, "outcomes.json")
        plugin = ["-p", "headwater.testing.rows", "--rootdir", ".", OUTCOMES_OPTION, str(record)]
        sys.stdout.flush()  # pytest writes to the same place
        command = [sys.executable, "-m", "pytest", "-q", *plugin, "--", *paths]
        ended = subprocess.run(command, check=False)  # noqa: S603 - our own interpreter, the caller's own paths
        if ended.returncode not in _ANSWERED or not record.exists():
            raise RunError(
                f"pytest did not get through (exit code {ended.returncode}): nothing is known about the rows"
            )
        return read_run(record)


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
