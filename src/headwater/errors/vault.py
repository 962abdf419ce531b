"""Personal fields and their keys."""

from __future__ import annotations

from headwater.errors.store import StoreError


class VaultError(StoreError):
    """Base of what goes wrong with personal fields and their keys. Nothing was stored."""


class InvalidMasterKey(VaultError, ValueError):
    """This is no master key: 32 bytes in base64, or several with commas between them."""


class MasterKeyMissing(VaultError):
    """The store was opened without a master key: no personal field can be encrypted, and no key wrapped anew."""


class WrongMasterKey(VaultError):
    """A subject's key was wrapped with another master key than those that were given."""


class SubjectForgotten(VaultError):
    """Something personal would be stored about a subject that was forgotten. Nothing was appended.

    Args:
        subject: whose key is gone for ever.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(f"subject {subject!r} was forgotten: nothing personal can be stored about it any more")
        self.subject = subject
