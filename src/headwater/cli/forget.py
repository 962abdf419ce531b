"""`headwater forget` and `headwater rewrap`: what becomes of the keys for personal fields."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_for_writing, store_url
from headwater.cli.output import print_answer
from headwater.errors import HeadwaterError


class NotConfirmed(HeadwaterError):
    """What can't be taken back was not confirmed. Nothing was done."""


def forget(
    database: Annotated[str, DATABASE_ARGUMENT],
    subject: Annotated[str, typer.Argument(help="Whose key to destroy.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask. Needed when nobody can be asked.")] = False,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Destroy the key of a subject, for ever.

    Nobody can read the subject's personal fields any more, in any event; the events stay, and the hash chain holds.
    What it doesn't reach: backups, exports with keys, snapshots and views made from the events, tags, metadata, the
    subject's own name. Needs no master key. Nobody else may write meanwhile: in a running application, call
    `store.forget`.
    """
    store_url(database)  # a name that was mistyped is told before anything is asked
    if not yes:
        _confirm(subject)
    had_key = asyncio.run(_forget(database, subject))
    ending = "its key was destroyed" if had_key else "it had no key, and will never get one"
    print_answer({"subject": subject, "had_key": had_key}, f"{subject} is forgotten: {ending}.", json=json)


def rewrap(database: Annotated[str, DATABASE_ARGUMENT], json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Encrypt all keys with a new master key.

    HEADWATER_MASTER_KEY holds the new one, a comma, and the old one. Afterwards the old one is needed no more, except
    for older backups.
    """
    count = asyncio.run(_rewrap(database))
    print_answer({"rewrapped": count}, f"{count:,} keys were encrypted with the new master key.", json=json)


def _confirm(subject: str) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed("forgetting can't be taken back; say --yes to do it without being asked")
    if not typer.confirm(f"Destroy the key of {subject}? This can't be taken back.", err=True):
        raise NotConfirmed("nothing was forgotten")


async def _forget(database: str, subject: str) -> bool:
    async with await open_for_writing(database) as store:
        return await store.forget(subject)


async def _rewrap(database: str) -> int:
    async with await open_for_writing(database) as store:
        return await store.rewrap_keys()
