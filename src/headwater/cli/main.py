"""The `headwater` command."""

from __future__ import annotations

import sys

import typer
from typer.core import TyperGroup

from headwater.cli.append import append
from headwater.cli.backup import backup
from headwater.cli.check import check
from headwater.cli.dead_letters import dead_letters
from headwater.cli.demo import demo
from headwater.cli.events import events
from headwater.cli.export import export
from headwater.cli.forget import forget, rewrap
from headwater.cli.handlers import handlers
from headwater.cli.import_ import import_command
from headwater.cli.migrate import migrate
from headwater.cli.output import complain
from headwater.cli.projections import projections
from headwater.cli.state import state
from headwater.cli.streams import streams
from headwater.cli.tail import tail
from headwater.cli.verify import verify_command
from headwater.errors import HeadwaterError


class Commands(TyperGroup):
    """The commands. A reader of their output that has seen enough (`head`, say) ends them well."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # typer's own copy of the class
        """Run a command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            sys.stdout = None  # nothing more may be written, not even at exit
            raise typer.Exit(0) from None


app = typer.Typer(
    name="headwater",
    cls=Commands,
    help="Look into an event store, look after it, and run the demos.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(streams)
app.command()(events)
app.command()(state)
app.command()(check)
app.command()(tail)
app.command(name="verify")(verify_command)
app.command()(append)
app.command()(backup)
app.command()(export)
app.command(name="import")(import_command)
app.command()(migrate)
app.command()(forget)
app.command()(rewrap)
app.add_typer(projections, name="projections")
app.add_typer(handlers, name="handlers")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(demo, name="demo")


def main() -> None:
    """Run the command line. What the user can mend is told in one line, with exit code 1."""
    try:
        app()
    except HeadwaterError as error:
        complain(str(error))
        sys.exit(1)
