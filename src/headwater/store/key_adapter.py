"""What a backend keeps for the erasure of personal fields: a key for each subject, in a table of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class SubjectKey(msgspec.Struct, frozen=True):
    """What is kept of one subject.

    Attributes:
        subject: whose key it is; 1 character or more.
        wrapped: the key, encrypted with a master key; None once the subject was forgotten.
        master: the fingerprint of that master key; empty once the subject was forgotten.
    """

    subject: str
    wrapped: bytes | None
    master: str


class KeyAdapter(Protocol):
    """Keeps the keys of subjects. It never sees a key that isn't wrapped.

    It promises:

    - each method takes effect at once and as a whole, in order with all others on the same log, also those of other
      processes; one that changes something returns when that is as durable as an append is when it is answered;
    - a subject gets one key, and once it is forgotten never again one: of two `create` at the same moment one wins, and
      both are given the winner's; after `forget` all are given what says that it was forgotten;
    - once `forget` has returned, the wrapped key is in no file of the backend any more, as far as it can do something
      about that: overwritten pages and write-ahead logs count, copies that somebody else has made don't.

    Besides what is named it may raise `StoreClosed`, `StorageFailed` and `StorageFull`, and in a store that is opened
    for reading only, where something would be changed, `StoreReadOnly`.
    """

    async def find(self, subjects: Sequence[str]) -> list[SubjectKey]:
        """What is kept of these subjects, in any order; those of which nothing is kept are left out."""

    async def create(self, keys: Sequence[SubjectKey]) -> list[SubjectKey]:
        """Keep those whose subject isn't known yet. Returns what is kept now of all these subjects, in any order.

        A key without `wrapped` notes a subject as forgotten, unless it is known.
        """

    async def forget(self, subject: str) -> bool:
        """Destroy the subject's key, and note that it was forgotten, also when it never had one.

        Returns whether there was a key.
        """

    async def list(self, after: str, limit: int) -> list[SubjectKey]:
        """The next subjects above a name, `limit` of them or all that there are, forgotten ones too.

        In the order of their names' UTF-8 bytes.
        """

    async def rewrap(self, keys: Sequence[SubjectKey], master: str) -> int:
        """Replace the keys that are wrapped with the master key of this fingerprint; others stay as they are.

        Returns how many were replaced. A subject that was forgotten meanwhile stays forgotten.
        """
