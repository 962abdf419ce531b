"""Names of living processes, unique within a system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.errors import NameTaken, NameUnknown, one_of

if TYPE_CHECKING:
    from headwater.runtime.process import Process


class Names:
    """Who is called what. A name is released before anybody hears that its process has ended."""

    __slots__ = ("_processes",)

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}

    def claim(self, name: str, process: Process) -> None:
        """Give the name to the process.

        Raises:
            NameTaken: a living process has it.
        """
        holder = self._processes.get(name)
        if holder is not None:
            raise NameTaken(f"the name {name!r} belongs to {holder.label} already")
        self._processes[name] = process

    def release(self, name: str, process: Process) -> None:
        """Free the name if the process has it."""
        if self._processes.get(name) is process:
            del self._processes[name]

    def find(self, name: str) -> Process | None:
        """The process of this name, or None."""
        return self._processes.get(name)

    def get(self, name: str) -> Process:
        """The process of this name.

        Raises:
            NameUnknown: there is none.
        """
        process = self._processes.get(name)
        if process is None:
            raise NameUnknown(f"no process is called {name!r}; named: {one_of(sorted(self._processes))}")
        return process
