"""The facade's view of what is personal: forgetting, and the keys' own keys."""

from __future__ import annotations

from collections.abc import Callable

from headwater.store.base import StoreBase
from headwater.store.naming import NUL
from headwater.store.vault import rewrapper

_PAGE = 1_000


class ErasingStore(StoreBase):
    """Forgets. See `EventStore`."""

    async def forget(self, subject: str) -> bool:
        """Destroy the key of a subject, so that nobody can read its personal fields any more, in any event.

        The events stay where they are, with the same bytes, and the hash chain holds. Their personal fields are
        None from now on in all that is read here, and within ten seconds in other processes too. Can't be taken back:
        the subject never gets a key again, so nothing personal can be stored about it any more.

        What it doesn't reach: copies of the store with its keys (backups, exports), snapshots and views made from
        the events, logs, the subject's own name, tags and metadata. Needs no master key.

        Returns:
            Whether there was a key.

        Raises:
            ValueError: the subject is empty, or holds a NUL character.
            StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        if not subject:
            raise ValueError("a subject is at least one character")
        if NUL in subject:
            raise ValueError(f"a subject holds a NUL character: {subject!r}")
        try:
            return await self.adapter.keys.forget(subject)
        finally:
            self.vault.drop()  # only now: what is looked up before this is not remembered either

    async def rewrap_keys(self, progress: Callable[[int], None] | None = None) -> int:
        """Wrap all subjects' keys with the master key in use: the step between opening with `new,old` and with `new`.

        Goes on beside appends and reads. It can be interrupted and done again. Events don't change.

        Args:
            progress: called after each page with how many keys have been looked at.

        Returns:
            How many keys were wrapped anew.

        Raises:
            MasterKeyMissing: the store was opened without one.
            WrongMasterKey: a key was wrapped with a master key that was not given.
            StoreClosed, StoreReadOnly, StorageFailed: see `append`.
        """
        rewrap, current = rewrapper(self.vault.master), self.vault.master.current
        after, seen, done = "", 0, 0
        while page := await self.adapter.keys.list(after, _PAGE):
            old = [key for key in page if key.wrapped is not None and key.master != current]
            for master in sorted({key.master for key in old}):
                done += await self.adapter.keys.rewrap([rewrap(key) for key in old if key.master == master], master)
            after, seen = page[-1].subject, seen + len(page)
            if progress is not None:
                progress(seen)
        return done
