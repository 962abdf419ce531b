"""What an extra brings is loaded by who asks for it, and missed with a word on how to get it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.row("BR-09")
def test_headwater_itself_loads_none_of_them() -> None:
    done = python(
        "import sys, headwater, headwater.cli.main, headwater.bridges\n"
        "extras = ('opentelemetry', 'prometheus_client', 'sqlalchemy')\n"
        "print([name for name in sys.modules if name.split('.')[0] in extras])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.row("BR-09")
@pytest.mark.parametrize(
    ("module", "extra", "library"),
    [
        ("bridges.opentelemetry", "opentelemetry", "opentelemetry"),
        ("bridges.prometheus", "prometheus", "prometheus_client"),
        ("sql", "sql", "sqlalchemy"),
    ],
)
def test_a_missing_library_is_an_error_that_names_the_extra(module: str, extra: str, library: str) -> None:
    done = python(
        "import sys\n"
        f"sys.modules[{library!r}] = None\n"
        "from headwater.errors import MissingExtra\n"
        "try:\n"
        f"    import headwater.{module}\n"
        "except MissingExtra as error:\n"
        "    print(error)"
    )
    assert f"pip install 'headwater[{extra}]'" in done.stdout, done.stderr
