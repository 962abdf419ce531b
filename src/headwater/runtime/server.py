"""The user's side of a process, as the machinery sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from headwater.runtime.exits import Reason
from headwater.runtime.mailbox import Overflow
from headwater.runtime.ties import Ties


class Server(Protocol):
    """A `GenServer`."""

    trap_exit: bool
    overflow: ClassVar[Overflow]

    def handle_info(self, message: object) -> object:
        """Handle a plain message."""

    def exit_message(self, sender: Ties | None, reason: Reason) -> object:
        """What an exit signal is as a message."""

    def terminate(self, reason: Reason) -> object:
        """Clean up before the end."""

    def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
        """Take out of a crash report what must not be logged."""
