"""What a process is doing. Plain numbers: they are compared with each message."""

from __future__ import annotations

from typing import Final

IDLE: Final = 0
WATCHFUL: Final = 1
QUEUED: Final = 2
RUNNING: Final = 3
AWAITING: Final = 4
ENDED: Final = 5
STATES: Final = ("idle", "idle", "queued", "running", "awaiting", "ended")
"""How people call them."""
