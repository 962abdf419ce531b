import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.testing.rows.catalogue import (
    CATALOGUE,
    Catalogue,
    CatalogueError,
    Group,
    format_catalogue,
    parse_catalogue,
    read_catalogue,
)
from headwater.testing.rows.command import PARITY
from headwater.testing.rows.markdown import grouped, listed_rows, read_documents
from headwater.testing.rows.outcomes import Outcome, RowTest, Run
from headwater.testing.rows.parity import State, assess, contradictions
from headwater.testing.rows.refresh import refresh
from headwater.testing.rows.report import parity_document

DOCUMENT = r"""# Lamps (made by us)

| ID | Feature | Promise |
|---|---|---|
| LA-01 | Light | shines \| glows |

Text | LA-99 | which is no row |

## Switches
| ID | Feature | Promise |
|---|---|---|
| SW-01 | on \| off | – |
| SW-02 | `toggle` "twice" | – |
|SW-03|Dimmer|
| SW-04 | Timer | – |
| SW-05 | Remote | – |
| SW-06 | Magic | – |
| SW-07 | Fuse | – |
| other | SW-98 | – |
"""

TESTS = """
import pytest

@pytest.mark.row("LA-01", "SW-01")
def test_light():
    pass

@pytest.mark.row("SW-02")
@pytest.mark.row("SW-03")
class TestSwitch:
    @pytest.mark.parametrize("volts", [12, 230])
    def test_dimmer(self, volts):
        pass

    @pytest.mark.row("SW-04")
    def test_timer(self):
        assert "rings" == "shines"

@pytest.mark.row("SW-05")
def test_remote():
    pytest.skip("no batteries")

@pytest.mark.row("SW-05", "SW-07")
def test_remote_again():
    pass

def test_without_rows():
    raise SystemError("a test without rows must not run")
"""


def never_run(mark: str) -> str:
    return f'import pytest\n\n{mark}\ndef test_it():\n    raise SystemError("ran")\n'


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no plugin but ours, and a faster start
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def parity(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(project, "headwater.testing.rows", *arguments)


def make_project(parent: Path, files: Mapping[str, str], document: str = DOCUMENT) -> Path:
    project = parent / "project"
    (parent / "shared" / "rows").mkdir(parents=True)
    (parent / "shared" / "rows" / "lamps.md").write_text(document, encoding="utf-8")
    (project / "docs").mkdir(parents=True)
    catalogue = Catalogue(grouped(listed_rows(document)), {"SW-06": 'no "magic" \\ here'})
    (project / CATALOGUE).write_text(format_catalogue(catalogue), encoding="utf-8")
    settings = "[pytest]\naddopts = --strict-markers --strict-config -p no:cacheprovider\nfilterwarnings = error\n"
    (project / "pytest.ini").write_text(settings, encoding="utf-8")
    plugins = 'pytest_plugins = ["headwater.testing.rows"]\n'
    for name, text in {"conftest.py": plugins, **files}.items():
        (project / name).write_text(text, encoding="utf-8")
    return project


@pytest.fixture
def passing(tmp_path: Path) -> Path:
    return make_project(
        tmp_path, {"test_one.py": 'import pytest\n\n@pytest.mark.row("SW-01")\ndef test_it():\n    pass\n'}
    )


class TestPlugin:
    @pytest.mark.parametrize(
        ("mark", "complaint"),
        [
            ('@pytest.mark.row("SW-01", "SW-11")', "test_one.py::test_it: unknown row 'SW-11'; near it: SW-01"),
            ('@pytest.mark.row("sw02")', "test_one.py::test_it: unknown row 'sw02'; near it: SW-02"),
            ("@pytest.mark.row(7)", "test_one.py::test_it: unknown row 7"),
            ("@pytest.mark.row()", "test_one.py::test_it: a row mark takes ids only, at least one"),
            ('@pytest.mark.row("SW-01", by="me")', "test_one.py::test_it: a row mark takes ids only, at least one"),
        ],
    )
    def test_a_wrong_mark_is_a_usage_error(self, tmp_path: Path, mark: str, complaint: str) -> None:
        ended = run(make_project(tmp_path, {"test_one.py": never_run(mark)}), "pytest")
        assert ended.returncode == pytest.ExitCode.USAGE_ERROR
        assert complaint in ended.stderr
        assert "SystemError" not in ended.stdout

    def test_all_wrong_marks_are_named_also_those_that_are_deselected(self, tmp_path: Path) -> None:
        mark = '@pytest.mark.row("SW-99")'
        project = make_project(tmp_path, {"test_one.py": never_run(mark), "test_two.py": never_run(mark)})
        ended = run(project, "pytest", "-k", "nothing")
        assert "test_one.py::test_it: unknown row" in ended.stderr
        assert "test_two.py::test_it: unknown row" in ended.stderr

    def test_a_mark_without_a_catalogue_is_a_usage_error(self, passing: Path) -> None:
        (passing / CATALOGUE).unlink()
        ended = run(passing, "pytest")
        assert ended.returncode == pytest.ExitCode.USAGE_ERROR
        assert "rows.toml is missing" in ended.stderr

    def test_known_rows_pass_and_unmarked_tests_run_too(self, passing: Path) -> None:
        (passing / "test_two.py").write_text("def test_plain():\n    pass\n", encoding="utf-8")
        ended = run(passing, "pytest")
        assert ended.returncode == pytest.ExitCode.OK, ended.stdout + ended.stderr
        assert "2 passed" in ended.stdout

    def test_a_project_without_marks_needs_no_catalogue(self, tmp_path: Path) -> None:
        project = make_project(tmp_path, {"test_one.py": "def test_plain():\n    pass\n"})
        (project / CATALOGUE).unlink()
        assert run(project, "pytest").returncode == pytest.ExitCode.OK


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    project = make_project(tmp_path_factory.mktemp("mixed"), {"test_lamps.py": TESTS})
    return project, parity(project)


class TestCommand:
    def test_the_document_tells_each_rows_state(self, mixed: tuple[Path, object]) -> None:
        lines = (mixed[0] / PARITY).read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith(("| LA", "| SW"))] == [
            "| LA-01 | Light | proven by `test_lamps.py::test_light` |",
            r"| SW-01 | on \| off | proven by `test_lamps.py::test_light` |",
            '| SW-02 | `toggle` "twice" | failing: `test_lamps.py::TestSwitch::test_timer` failed |',
            "| SW-03 | Dimmer | failing: `test_lamps.py::TestSwitch::test_timer` failed |",
            "| SW-04 | Timer | failing: `test_lamps.py::TestSwitch::test_timer` failed |",
            "| SW-05 | Remote | open: `test_lamps.py::test_remote` skipped |",
            r'| SW-06 | Magic | exception: no "magic" \ here |',
            "| SW-07 | Fuse | proven by `test_lamps.py::test_remote_again` |",
        ]
        assert "**Total: 3 of 8 proven, 3 failing, 1 excepted.**" in lines

    def test_a_failing_proof_is_inconsistent(self, mixed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
        ended = mixed[1]
        assert ended.returncode == 1
        assert "SW-04 is carried by tests that fail: test_lamps.py::TestSwitch::test_timer" in ended.stdout

    def test_prints_counts_and_what_is_missing(self, mixed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
        lines = mixed[1].stdout.splitlines()
        assert "  LA   1 / 1   " in lines
        assert "  SW   2 / 7   Switches, 3 failing, 1 excepted" in lines
        assert "      SW-05  Remote (test_lamps.py::test_remote skipped)" in lines
        assert not any("SW-01" in line for line in lines)

    def test_says_what_was_left_out(self, mixed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
        assert "Ran 6 of 6 collected tests that carry rows." in mixed[1].stdout
        assert "1 were skipped or failed as expected." in mixed[1].stdout

    def test_tests_without_rows_do_not_run(self, mixed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
        assert "SystemError" not in mixed[1].stdout
        assert "1 deselected" in mixed[1].stdout

    def test_open_rows_are_fine_and_brief_does_not_list_them(self, passing: Path) -> None:
        ended = parity(passing, "--brief")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "  SW   1 / 7   Switches, 1 excepted" in ended.stdout.splitlines()
        assert "SW-02" not in ended.stdout

    def test_a_run_of_a_part_says_so_and_leaves_the_document(self, passing: Path) -> None:
        (passing / "test_two.py").write_text(
            'import pytest\n\n@pytest.mark.row("SW-02")\ndef test_it():\n    pass\n', encoding="utf-8"
        )
        ended = parity(passing, "test_two.py")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "This was a part only (test_two.py)" in ended.stdout
        assert "Ran 1 of 1 collected" in ended.stdout
        assert not (passing / PARITY).exists()

    def test_a_deselected_test_does_not_prove(self, passing: Path) -> None:
        settings = (passing / "pytest.ini").read_text(encoding="utf-8")
        (passing / "pytest.ini").write_text(settings.replace("addopts =", "addopts = -k other"), encoding="utf-8")
        ended = parity(passing)
        assert "1 did not run" in ended.stdout
        assert "open: `test_one.py::test_it` not run" in (passing / PARITY).read_text(encoding="utf-8")

    def test_a_file_that_is_skipped_as_a_whole_is_named(self, passing: Path) -> None:
        skip = "import pytest\n\npytest.skip('not here', allow_module_level=True)\n"
        (passing / "test_two.py").write_text(skip, encoding="utf-8")
        assert "test_two.py was skipped as a whole" in parity(passing).stdout

    @pytest.mark.parametrize(
        ("body", "state"),
        [
            ("def test_it():\n    pytest.exit('enough', returncode=0)", "open: `test_one.py::test_it` not run"),
            ("@pytest.mark.xfail\ndef test_it():\n    assert False", "open: `test_one.py::test_it` skipped"),
            ("@pytest.mark.xfail\ndef test_it():\n    pass", "open: `test_one.py::test_it` skipped"),
            (
                "@pytest.fixture\ndef broken():\n    yield\n    raise OSError\n\ndef test_it(broken):\n    pass",
                "failing: `test_one.py::test_it` failed",
            ),
            (
                "@pytest.mark.parametrize('n', [1, pytest.param(2, marks=pytest.mark.skip)])\ndef test_it(n): pass",
                "open: `test_one.py::test_it` skipped",
            ),
            (
                "def test_it(subtests):\n    with subtests.test():\n        assert False",
                "failing: `test_one.py::test_it` failed",
            ),
        ],
        ids=["exit", "expected failure", "unexpected pass", "teardown", "one parameter skipped", "subtest"],
    )
    def test_what_does_not_prove(self, tmp_path: Path, body: str, state: str) -> None:
        text = f'import pytest\n\npytestmark = pytest.mark.row("SW-01")\n\n{body}\n'
        project = make_project(tmp_path, {"test_one.py": text})
        parity(project)
        assert f"| SW-01 | on \\| off | {state} |" in (project / PARITY).read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("broken", "code"),
        [("def test_it(:\n", 2), ("import os\n\n\ndef test_it():\n    pass\n\n\nos._exit(1)\n", 1)],
        ids=["syntax error", "dies"],
    )
    def test_a_run_that_does_not_get_through_proves_nothing(self, passing: Path, broken: str, code: int) -> None:
        (passing / "test_two.py").write_text(broken, encoding="utf-8")
        ended = parity(passing)
        assert ended.returncode == 1
        assert f"pytest did not get through (exit code {code})" in ended.stdout
        assert "1 / 7" not in ended.stdout
        assert not (passing / PARITY).exists()

    def test_works_without_the_documents(self, passing: Path) -> None:
        before = (passing / CATALOGUE).read_bytes()
        (passing.parent / "shared").rename(passing.parent / "elsewhere")
        assert parity(passing).returncode == 0
        assert (passing / CATALOGUE).read_bytes() == before
        assert (passing / PARITY).exists()

    def test_a_directory_without_rows_changes_nothing(self, passing: Path) -> None:
        before = (passing / CATALOGUE).read_bytes()
        ended = parity(passing, "--rows", "docs")
        assert ended.returncode == 1
        assert "docs lists no rows" in ended.stdout
        assert (passing / CATALOGUE).read_bytes() == before

    def test_refreshes_the_catalogue_and_keeps_exceptions(self, passing: Path) -> None:
        document = DOCUMENT.replace("Dimmer", "Dimmer, smooth").replace("| SW-07 | Fuse | – |", "| SW-08 | Plug | – |")
        (passing.parent / "new").mkdir()
        (passing.parent / "new" / "lamps.md").write_text(document, encoding="utf-8")
        ended = parity(passing, "--rows", "../new")
        catalogue = read_catalogue(passing / CATALOGUE)
        assert ended.returncode == 1
        assert "New rows: SW-08\n" in ended.stdout
        assert "New titles: SW-03\n" in ended.stdout
        assert "Inconsistent: SW-07 is in no document any more" in ended.stdout
        assert catalogue.titles() == Catalogue(grouped(listed_rows(document))).titles() | {"SW-07": "Fuse"}
        assert catalogue.exceptions == {"SW-06": 'no "magic" \\ here'}


class TestCheck:
    def test_passes_when_all_is_up_to_date_and_again(self, passing: Path) -> None:
        assert parity(passing).returncode == 0
        written = (passing / PARITY).read_bytes(), (passing / CATALOGUE).read_bytes()
        ended = parity(passing, "--check")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ((passing / PARITY).read_bytes(), (passing / CATALOGUE).read_bytes()) == written

    @pytest.mark.parametrize("path", [CATALOGUE, PARITY], ids=str)
    def test_fails_on_a_stale_file_and_leaves_it(self, passing: Path, path: Path) -> None:
        assert parity(passing).returncode == 0
        stale = (passing / path).read_text(encoding="utf-8") + "\n"
        (passing / path).write_text(stale, encoding="utf-8")
        ended = parity(passing, "--check")
        assert ended.returncode == 1
        assert f"Inconsistent: {path.as_posix()} is not up to date" in ended.stdout
        assert ended.stdout.count("Inconsistent") == 1
        assert (passing / path).read_text(encoding="utf-8") == stale

    def test_refuses_a_part(self, passing: Path) -> None:
        assert parity(passing, "--check", "test_one.py").returncode == 2


class TestMarkdown:
    def test_rows_are_the_table_lines_that_start_with_an_id(self) -> None:
        assert [(row.subject, row.section, row.id, row.title) for row in listed_rows(DOCUMENT)][:3] == [
            ("Lamps (made by us)", "", "LA-01", "Light"),
            ("Lamps (made by us)", "Switches", "SW-01", "on | off"),
            ("Lamps (made by us)", "Switches", "SW-02", '`toggle` "twice"'),
        ]
        assert [row.id for row in listed_rows(DOCUMENT)][3:] == ["SW-03", "SW-04", "SW-05", "SW-06", "SW-07"]

    def test_an_id_that_is_listed_twice_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("| AB-01 | One |", encoding="utf-8")
        (tmp_path / "b.md").write_text("| AB-01 | Two |", encoding="utf-8")
        with pytest.raises(CatalogueError, match="AB-01 is listed twice"):
            read_documents(tmp_path)

    def test_documents_are_read_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for name in ("c", "a", "b"):
            (tmp_path / f"{name}.md").write_text(f"# {name}\n| {name.upper()}X-01 | One |", encoding="utf-8")
        assert list(read_documents(tmp_path)) == ["AX", "BX", "CX"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PREFIXES = st.text("ABCDEFGH", min_size=2, max_size=2)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    groups = {}
    for prefix in draw(st.lists(PREFIXES, unique=True)):
        numbers = draw(st.lists(st.integers(0, 99), unique=True))
        rows = {f"{prefix}-{number:02}": draw(TEXTS) for number in numbers}
        groups[prefix] = Group(draw(TEXTS), draw(TEXTS), rows)
    return Catalogue(groups, draw(st.dictionaries(TEXTS, TEXTS)))


def in_order(catalogue: Catalogue) -> tuple[list[str], list[str], list[str]]:
    return list(catalogue.groups), list(catalogue.titles()), list(catalogue.exceptions)


class TestCatalogue:
    @given(catalogues())
    def test_comes_back_as_it_was_written(self, catalogue: Catalogue) -> None:
        again = parse_catalogue(format_catalogue(catalogue))
        assert again == catalogue
        assert in_order(again) == in_order(catalogue)

    @pytest.mark.parametrize("value", ['"', "\\", "\\n", "\n\r\t\b\f", "\x00\x1f\x7f", "…∞ 🎉", "'", "# no", "\\u0041"])
    def test_strings_are_escaped(self, value: str) -> None:
        text = format_catalogue(Catalogue({}, {value: value}))
        assert tomllib.loads(text)["exceptions"] == {value: value}

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("[groups", "Expected"),
            ("[exceptions]", "groups"),
            ("[groups]\n[exceptions]\nAB-01 = 1", "exceptions"),
            ("[groups]\n[exeptions]", "exeptions"),
            ('[groups.AB]\nsubject = ""\nsection = ""\n[groups.AB.rows]\nCD-01 = ""', "CD-01 stands in the group AB"),
        ],
    )
    def test_what_is_no_catalogue_is_refused(self, tmp_path: Path, text: str, complaint: str) -> None:
        path = tmp_path / "rows.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CatalogueError, match=complaint) as caught:
            read_catalogue(path)
        assert "rows.toml" in str(caught.value)


class TestRefresh:
    @given(catalogues(), catalogues())
    def test_loses_nothing_and_settles_at_once(self, old: Catalogue, listed: Catalogue) -> None:
        first = refresh(old, listed.groups)
        titles = first.catalogue.titles()
        assert titles == old.titles() | listed.titles()
        assert first.catalogue.exceptions == old.exceptions
        assert set(first.vanished) == old.titles().keys() - listed.titles().keys()
        assert set(first.added) == listed.titles().keys() - old.titles().keys()
        second = refresh(first.catalogue, listed.groups)
        assert second.catalogue == first.catalogue
        assert in_order(second.catalogue) == in_order(first.catalogue)
        assert sorted(second.vanished) == sorted(first.vanished)
        assert (second.added, second.retitled) == ([], [])


def assessed(*outcomes: Outcome, reason: str | None = None) -> State:
    exceptions = {} if reason is None else {"AB-01": reason}
    tests = [RowTest(f"test_{number}", ("AB-01",), outcome) for number, outcome in enumerate(outcomes)]
    (group,) = assess(Catalogue({"AB": Group("", "", {"AB-01": "One"})}, exceptions), Run(tests, []))
    return group.rows[0].state


class TestParity:
    @pytest.mark.parametrize(
        ("outcomes", "state"),
        [
            ((), State.OPEN),
            (("passed",), State.PROVEN),
            (("passed", "passed"), State.PROVEN),
            (("skipped",), State.OPEN),
            (("passed", "skipped"), State.OPEN),
            (("passed", "not run"), State.OPEN),
            (("passed", "failed", "skipped"), State.FAILING),
        ],
    )
    def test_a_row_is_proven_by_tests_that_all_pass(self, outcomes: tuple[Outcome, ...], state: State) -> None:
        assert assessed(*outcomes) is state

    def test_an_exception_hides_no_failure(self) -> None:
        assert assessed(reason="why") is State.EXCEPTION
        assert assessed("failed", reason="why") is State.FAILING

    @pytest.mark.parametrize("outcomes", [("passed", "not run"), ("not run", "passed")])
    def test_all_parameters_of_a_test_count(self, outcomes: tuple[Outcome, Outcome]) -> None:
        tests = [RowTest("test_it", ("AB-01",), outcome) for outcome in outcomes]
        (group,) = assess(Catalogue({"AB": Group("", "", {"AB-01": "One"})}), Run(tests, []))
        assert group.rows[0].tests == {"test_it": "not run"}

    def test_exceptions_that_contradict_are_named(self) -> None:
        groups = {"AB": Group("", "", {"AB-01": "One", "AB-02": "Two"})}
        catalogue = Catalogue(groups, {"AB-01": "why", "AB-02": " ", "AB-03": "why"})
        found = contradictions(catalogue, assess(catalogue, Run([RowTest("test_it", ("AB-01",), "passed")], [])))
        assert list(found) == [
            "AB-01 is an exception, yet carried by test_it",
            "the exception AB-02 has no reason",
            "the exception AB-03 is not a row",
        ]

    def test_the_document_does_not_depend_on_the_order_of_the_run(self) -> None:
        catalogue = Catalogue({"AB": Group("", "", {"AB-01": "One"})})
        tests = [RowTest(f"test_{number}", ("AB-01",), "passed") for number in range(3)]
        assert parity_document(assess(catalogue, Run(tests, []))) == parity_document(
            assess(catalogue, Run(tests[::-1], []))
        )


def test_the_projects_own_catalogue_is_well_formed() -> None:
    catalogue = read_catalogue(Path(__file__).parents[2] / CATALOGUE)
    assert catalogue.titles()["GS-05"]
    assert format_catalogue(catalogue) == (Path(__file__).parents[2] / CATALOGUE).read_text(encoding="utf-8")
