"""The `headwater` command."""

from __future__ import annotations

import sys

import typer

from headwater.cli.demo import demo
from headwater.cli.events import events
from headwater.cli.output import complain
from headwater.cli.state import state
from headwater.cli.streams import streams
from headwater.cli.tail import tail
from headwater.errors import HeadwaterError

app = typer.Typer(
    name="headwater",
    help="Look into an event store, and run the demos.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(streams)
app.command()(events)
app.command()(state)
app.command()(tail)
app.add_typer(demo, name="demo")


def main() -> None:
    """Run the command line. What the user can mend is told in one line, with exit code 1."""
    try:
        app()
    except HeadwaterError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader of a pipe (`head`, say) has seen enough. Nothing more may be written, not even at exit.
        sys.stdout = None
        sys.exit(0)
