"""Progress bars on standard error: only on a terminal, and gone when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Update = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


@contextmanager
def progress_bar() -> Iterator[Update]:
    """A bar for one piece of work after the other; gives what moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=None)
        shown = ""

        def update(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:
                progress.reset(task, description=what)
                shown = what
            progress.update(task, completed=done, total=total)

        yield update
