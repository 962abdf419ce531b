"""Master keys: what the keys of subjects are wrapped with. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Final

from headwater.errors import InvalidMasterKey

MASTER_KEY_VARIABLE: Final = "HEADWATER_MASTER_KEY"
"""The environment variable that a store takes its master key from, if it isn't given one."""

_BYTES: Final = 32
_FINGERPRINT_BYTES: Final = 8


def generate_master_key() -> str:
    """A new master key, from the operating system's source of randomness: 32 bytes in base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).decode()


class MasterKeys:
    """The master key in use, and older ones that may still be needed to unwrap.

    Attributes:
        current: the fingerprint of the one in use.
    """

    __slots__ = ("_keys", "current")

    def __init__(self, text: str) -> None:
        """Read them.

        Args:
            text: 32 bytes in base64. To change it: the new one, a comma, and the old ones.

        Raises:
            InvalidMasterKey: it is something else. The message doesn't show it.
        """
        keys = [_key(part.strip()) for part in text.split(",")]
        self._keys: Final = {_fingerprint(key): key for key in keys}
        self.current: Final = _fingerprint(keys[0])

    def get(self, fingerprint: str) -> bytes | None:
        """The key with this fingerprint; None if it isn't among them."""
        return self._keys.get(fingerprint)

    @property
    def key(self) -> bytes:
        """The one in use."""
        return self._keys[self.current]

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._keys)})"


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _BYTES:
        raise InvalidMasterKey(
            "a master key is 32 bytes in base64, as `headwater.generate_master_key()` makes them; several with commas "
            "between them, the one in use first"
        )
    return key


def _fingerprint(key: bytes) -> str:
    return hmac.digest(key, b"headwater fingerprint", sha256)[:_FINGERPRINT_BYTES].hex()
