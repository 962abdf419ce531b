"""The way of appends from the facade to the backend: where personal fields are sealed, without changing the order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from headwater.errors import HeadwaterError, StoreError, StoreOverloaded
from headwater.store.adapter import Append, StoreAdapter
from headwater.store.vault import Ciphers, Vault

_MOST_WAITING: Final = 10_000


class _Waiting(NamedTuple):
    append: Append
    subjects: set[str]


class SealingQueue:
    """Hands appends to the backend in the order in which they came.

    One without personal fields, or whose keys are remembered, goes there at once. One whose keys have to be looked up
    or made first waits here, and all that come after it wait behind it, at most 10,000.

    Args:
        adapter: the backend.
        vault: seals.
    """

    __slots__ = ("_adapter", "_moved", "_vault", "_waiting", "_working")

    def __init__(self, adapter: StoreAdapter, vault: Vault) -> None:
        self._adapter: Final = adapter
        self._vault: Final = vault
        self._waiting: deque[_Waiting] = deque()
        self._moved = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks. What goes wrong with its keys ends its answer.

        Raises:
            MasterKeyMissing, CodecError: it can't be sealed. Nothing was queued.
            StoreClosed, StoreReadOnly, StoreOverloaded: like the backend.
        """
        if not (self._vault.needed or self._waiting):
            self._adapter.submit(append)  # most applications have nothing personal
            return
        subjects = self._vault.subjects(append.parts)
        if not (self._waiting or subjects):
            self._adapter.submit(append)
            return
        if not self._waiting:
            ciphers = self._vault.remembered(subjects)
            if ciphers is not None:
                self._submit_sealed(append, ciphers)
                return
        if len(self._waiting) >= _MOST_WAITING:
            raise StoreOverloaded(f"{self._adapter.location}: {_MOST_WAITING:,} appends wait for keys, as many as may")
        self._waiting.append(_Waiting(append, subjects))
        if self._working is None:
            self._working = asyncio.ensure_future(self._work())

    def _submit_sealed(self, append: Append, ciphers: Ciphers) -> None:
        plain = append.parts
        if ciphers:
            append.parts = self._vault.seal(plain, ciphers)
        try:
            self._adapter.submit(append)
        except StoreError:
            append.parts = plain  # it may be submitted again
            raise

    async def room(self) -> None:
        """Wait until `submit` would queue, or the store is closed. Not fair."""
        while len(self._waiting) >= _MOST_WAITING:
            self._moved.clear()
            await self._moved.wait()
        await self._adapter.room()

    async def drain(self) -> None:
        """Wait until all that waits here has been handed on, or has failed."""
        if self._working is not None:
            await asyncio.shield(self._working)

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = list(self._waiting)
                ciphers = await self._ciphers(group)
                for _ in group:
                    await self._hand_on(self._waiting[0], ciphers)
                    self._waiting.popleft()
                    self._moved.set()
        finally:
            self._working = None

    async def _ciphers(self, group: Sequence[_Waiting]) -> Ciphers | HeadwaterError:
        try:
            return await self._vault.ciphers(set[str]().union(*(one.subjects for one in group)), create=True)
        except HeadwaterError as error:
            return error

    async def _hand_on(self, waiting: _Waiting, ciphers: Ciphers | HeadwaterError) -> None:
        append, subjects = waiting
        try:
            if subjects:
                if isinstance(ciphers, HeadwaterError):
                    raise ciphers
                append.parts = self._vault.seal(append.parts, ciphers)
            await self._submit_with_room(append)
        except HeadwaterError as error:
            append.failed = True  # before anything that follows it is looked at
            append.follows = None
            append.resolve(error)

    async def _submit_with_room(self, append: Append) -> None:
        while True:
            try:
                self._adapter.submit(append)
            except StoreOverloaded:
                await self._adapter.room()
            else:
                return
