"""What lies in a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, TypeAlias

from headwater.runtime.handlers import Handler

Reply: TypeAlias = "asyncio.Future[object] | None"
Message: TypeAlias = tuple[Handler, tuple[object, ...], Mapping[str, object], Reply]
"""What lies in a mailbox: a handler, its arguments, and where the answer goes. A tuple, because there are many."""

NOTHING: Final[Mapping[str, object]] = {}
"""The keyword arguments of messages that have none."""
