"""The ciphers of personal fields and of the keys themselves. Needs an extra: imported only when needed."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

from headwater.errors import MissingExtra

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as missing:
    raise MissingExtra("cryptography isn't installed: pip install 'headwater[erasure]'") from missing

__all__ = ["InvalidTag", "SubjectCipher", "new_key", "unwrap", "wrap"]

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8


def new_key() -> bytes:
    """A key for a subject, from the operating system's source of randomness."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(master: bytes, subject: str, key: bytes) -> bytes:
    """A subject's key, encrypted with a master key, and bound to the subject."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(master).encrypt(nonce, key, subject.encode())


def unwrap(master: bytes, subject: str, wrapped: bytes) -> bytes:
    """The reverse of `wrap`.

    Raises:
        InvalidTag: it was wrapped with another master key, for another subject, or altered.
    """
    return AESGCM(master).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], subject.encode())


class SubjectCipher:
    """Encrypts and decrypts the personal values of one subject: AES-256 in GCM mode.

    Each value is bound to its event and its field, so that one can't be put into another's place. Its nonce is made
    from the key, that place and the value itself: the same value in the same place always gives the same bytes,
    so that an append can be repeated without harm, and no nonce is used for two values.

    Args:
        key: the subject's key.

    Attributes:
        id: tells this key from others of the same subject, and nothing about it.
    """

    __slots__ = ("_cipher", "_nonce_key", "id")

    def __init__(self, key: bytes) -> None:
        self.id: Final = _derived(key, b"id")[:_ID_BYTES].hex()
        self._cipher: Final = AESGCM(_derived(key, b"values"))
        self._nonce_key: Final = _derived(key, b"nonces")

    def encrypt(self, event_id: bytes, field: str, value: bytes) -> bytes:
        """The value as it is stored."""
        place = _place(event_id, field)
        nonce = hmac.digest(self._nonce_key, place + value, sha256)[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, value, place)

    def decrypt(self, event_id: bytes, field: str, stored: bytes) -> bytes:
        """The reverse of `encrypt`.

        Raises:
            InvalidTag: it was encrypted with another key, for another event or field, or altered.
        """
        return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], _place(event_id, field))


def _place(event_id: bytes, field: str) -> bytes:
    name = field.encode()
    return event_id + len(name).to_bytes(4) + name


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"headwater " + purpose, sha256)
