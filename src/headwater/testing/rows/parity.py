"""What a test run proves: the state of every row, and what contradicts itself."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from headwater.testing.rows.catalogue import Catalogue, Group
from headwater.testing.rows.outcomes import Outcome, Run


class State(StrEnum):
    """The state of a row."""

    PROVEN = "proven"
    """At least one test carries the row, and every test that carries it passed."""
    FAILING = "failing"
    """A test that carries the row failed."""
    OPEN = "open"
    """No test carries the row, or one that does was skipped or did not run."""
    EXCEPTION = "exception"
    """The row cannot exist in Python."""


class Row(msgspec.Struct, frozen=True):
    """A row with what is known about it.

    Attributes:
        id: Its id.
        title: Its title.
        tests: The tests that carry it, by name, each with its worst outcome.
        reason: Why it cannot exist in Python, if it cannot.
    """

    id: str
    title: str
    tests: dict[str, Outcome]
    reason: str | None = None

    @property
    def state(self) -> State:
        """The row's state."""
        outcomes = set(self.tests.values())
        if "failed" in outcomes:
            return State.FAILING
        if self.reason is not None:
            return State.EXCEPTION
        return State.PROVEN if outcomes == {"passed"} else State.OPEN

    @property
    def doubts(self) -> dict[str, Outcome]:
        """The tests that carry it and did not pass, each with its outcome."""
        return {test: outcome for test, outcome in self.tests.items() if outcome != "passed"}


class GroupParity(msgspec.Struct, frozen=True):
    """A group with the state of its rows."""

    prefix: str
    group: Group
    rows: list[Row]

    def count(self, state: State) -> int:
        """Return how many of the rows are in a state."""
        return sum(row.state is state for row in self.rows)


def assess(catalogue: Catalogue, run: Run) -> list[GroupParity]:
    """Return the groups of the catalogue with what the run says about each row."""
    tests = _tests_by_row(run)
    return [
        GroupParity(prefix, group, list(_rows(group, tests, catalogue.exceptions)))
        for prefix, group in catalogue.groups.items()
    ]


def _rows(group: Group, tests: dict[str, dict[str, Outcome]], exceptions: dict[str, str]) -> Iterator[Row]:
    for row, title in group.rows.items():
        yield Row(row, title, tests.get(row, {}), exceptions.get(row))


# Of several tests that share a name (one per parameter), one that did not run outweighs those that passed.
_WORST_LAST: tuple[Outcome, ...] = ("passed", "not run", "skipped", "failed")


def _tests_by_row(run: Run) -> dict[str, dict[str, Outcome]]:
    by_row: dict[str, dict[str, Outcome]] = {}
    for test in sorted(run.tests, key=lambda test: test.name):
        for row in test.rows:
            tests = by_row.setdefault(row, {})
            tests[test.name] = max(tests.get(test.name, "passed"), test.outcome, key=_WORST_LAST.index)
    return by_row


def contradictions(catalogue: Catalogue, groups: Iterable[GroupParity]) -> Iterator[str]:
    """Yield what cannot be true at once: a proof that fails, an exception that is none."""
    known = catalogue.titles()
    for row in (row for group in groups for row in group.rows):
        if row.state is State.FAILING:
            failed = [test for test, outcome in row.tests.items() if outcome == "failed"]
            yield f"{row.id} is carried by tests that fail: {', '.join(failed)}"
        if row.reason is not None and row.tests:
            yield f"{row.id} is an exception, yet carried by {', '.join(row.tests)}"
    for row_id, reason in catalogue.exceptions.items():
        if row_id not in known:
            yield f"the exception {row_id} is not a row"
        if not reason.strip():
            yield f"the exception {row_id} has no reason"
