"""Waiting for several children to end."""

from __future__ import annotations

import asyncio


class Farewell:
    """How many children are still on their way out."""

    __slots__ = ("_empty", "left")

    def __init__(self, empty: asyncio.Future[None]) -> None:
        self._empty = empty
        self.left = 0

    def one_less(self) -> None:
        """One has ended."""
        self.left -= 1
        if self.left == 0 and not self._empty.done():
            self._empty.set_result(None)

    async def wait(self) -> None:
        """Wait until none is left."""
        if self.left:
            await self._empty
