"""`headwater verify`: whether a log is what was appended to it."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, open_store
from headwater.cli.output import complain, print_json, wants_json
from headwater.cli.progress import progress_bar
from headwater.errors import HeadwaterError
from headwater.store.verification import Verification, verify

_HASH_BYTES = 32


class NotAHash(HeadwaterError):
    """What was given as a head is no hash."""


def verify_command(
    database: Annotated[str, DATABASE_ARGUMENT],
    head: Annotated[
        list[str] | None, typer.Option(help="A head hash that an earlier run has printed: the log must contain it.")
    ] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check every event against its hash.

    Each event has a hash, made when it was appended, that covers the one before it too. Names the first event that was
    altered, removed, inserted or moved, and ends with exit code 1. Prints the hash of the last event: keep it somewhere
    else, and give it back with --head the next time. Without that nobody can see a change by somebody who has computed
    all hashes anew.
    """
    found = asyncio.run(_verify(database, [_hash(text) for text in head or ()]))
    broken = found.broken
    if wants_json(json):
        record = {"events": found.head.position, "head": found.head.hash.hex()}
        place = {} if broken is None else {"broken_at": broken.position, "reason": broken.reason}
        print_json([{**record, "whole": broken is None, **place}])
    elif broken is None:
        sys.stdout.write(f"{found.head.position:,} events, all as they were appended.\nhead {found.head.hash.hex()}\n")
    if broken is not None:
        complain(f"broken at position {broken.position}: {broken.reason}")
        raise typer.Exit(1)


async def _verify(database: str, known: list[bytes]) -> Verification:
    async with await open_store(database) as store:
        head = int(await store.head())
        with progress_bar() as update:
            return await verify(store, known, lambda position: update("verifying", position, max(head, position)))


def _hash(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _HASH_BYTES:
        raise NotAHash(f"a head is 64 hexadecimal digits, as `headwater verify` prints it, not {text!r}")
    return found
