"""The keys of subjects, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from headwater.store.key_adapter import SubjectKey


class MemoryKeys:
    """Fulfils `headwater.store.key_adapter.KeyAdapter`.

    Args:
        require_open: raises `StoreClosed` once the store is closed.
    """

    def __init__(self, require_open: Callable[[], None]) -> None:
        self._require_open: Final = require_open
        self._kept: Final[dict[str, SubjectKey]] = {}

    async def find(self, subjects: Sequence[str]) -> list[SubjectKey]:
        """What is kept of these subjects."""
        self._require_open()
        return [self._kept[subject] for subject in dict.fromkeys(subjects) if subject in self._kept]

    async def create(self, keys: Sequence[SubjectKey]) -> list[SubjectKey]:
        """Keep those that aren't known yet."""
        self._require_open()
        return [self._kept.setdefault(key.subject, key) for key in keys]

    async def forget(self, subject: str) -> bool:
        """Destroy a key."""
        self._require_open()
        known = self._kept.get(subject)
        self._kept[subject] = SubjectKey(subject, None, "")
        return known is not None and known.wrapped is not None

    async def list(self, after: str, limit: int) -> list[SubjectKey]:
        """The next subjects."""
        self._require_open()
        names = sorted((name for name in self._kept if name.encode() > after.encode()), key=str.encode)
        return [self._kept[name] for name in names[:limit]]

    async def rewrap(self, keys: Sequence[SubjectKey], master: str) -> int:
        """Replace keys."""
        self._require_open()
        replaced = [key for key in keys if self._is_wrapped_with(key.subject, master)]
        self._kept.update((key.subject, key) for key in replaced)
        return len(replaced)

    def _is_wrapped_with(self, subject: str, master: str) -> bool:
        known = self._kept.get(subject)
        return known is not None and known.wrapped is not None and known.master == master
