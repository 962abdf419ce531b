"""Opens what the command line names: a store, an application."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

import typer

from headwater.app import Application
from headwater.codec import Codec
from headwater.errors import HeadwaterError, NotAStore
from headwater.store.store import EventStore


class NotAnApplication(HeadwaterError):
    """The name that was given leads to no `Application`."""


async def open_store(database: str, codec: Codec | None = None) -> EventStore:
    """Open a store for reading: a URL, or the path of an SQLite file.

    Raises:
        NotAStore: there is no such file, or it is something else.
    """
    return await EventStore.open(store_url(database), codec or Codec(), read_only=True)


async def open_for_writing(database: str, codec: Codec | None = None, *, create: bool = False) -> EventStore:
    """Open a store for writing: a URL, or the path of an SQLite file.

    Raises:
        NotAStore: it is something else; or there is none, and it shall not be made.
        StoreLocked: another process writes to it.
    """
    return await EventStore.open(store_url(database, create=create), codec or Codec(), create=create)


def store_url(database: str, *, create: bool = False) -> str:
    """The store's URL; a plain path means an SQLite file.

    Raises:
        NotAStore: there is no such file, and it shall not be made.
    """
    if "://" in database:
        return database
    path = Path(database)
    if not path.exists() and not create:
        raise NotAStore(
            f"there is no file {database!r}: an application makes it when it runs the first time, or a demo"
        )
    return f"sqlite:///{path.absolute()}"


def load_application(name: str) -> Application:
    """The application that `package.module:variable` names. The module is imported, so its code runs.

    Raises:
        NotAnApplication: there is no such module or variable, or it is something else.
    """
    module_name, _, variable = name.partition(":")
    if not module_name or not variable:
        raise NotAnApplication(f"an application is named package.module:variable, not {name!r}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise NotAnApplication(f"{module_name} can't be imported: {error}") from error
    except Exception as error:  # whatever the module's own code does wrong
        raise NotAnApplication(f"{module_name} can't be imported: {type(error).__name__}: {error}") from error
    finally:
        del sys.path[0]
    if not hasattr(module, variable):
        raise NotAnApplication(f"{module_name} has no variable {variable!r}")
    found: object = getattr(module, variable)
    if not isinstance(found, Application):
        raise NotAnApplication(f"{name} is of type {type(found).__name__}, not an Application")
    return found


class NoSuchStream(HeadwaterError):
    """The store has no stream of this name."""


async def require_stream(store: EventStore, stream: str) -> None:
    """Make sure that there is such a stream: a name that was mistyped shall not look like an empty stream.

    Raises:
        NoSuchStream: there isn't.
    """
    if await store.last(stream) is None:
        raise NoSuchStream(f"{store.location} has no stream {stream!r}; `headwater streams` lists those that it has")


HIGHEST: Final = 2**63 - 1
"""The highest position and version there can be."""

DATABASE_ARGUMENT = typer.Argument(metavar="DATABASE", help="An SQLite file, or the URL of a store.")
JSON_OPTION = typer.Option("--json", help="JSON lines, also on a terminal. In a pipe they are the default.")
