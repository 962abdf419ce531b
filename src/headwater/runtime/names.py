"""Names of living processes, unique within a system."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from headwater.errors import NameTaken, NameUnknown, one_of


class Named(Protocol):
    """Something that can have a name."""

    @property
    def label(self) -> str:
        """What it is called in messages and logs."""


HolderT = TypeVar("HolderT", bound=Named)


class Names(Generic[HolderT]):
    """Who is called what. A name is released before anybody hears that its process has ended."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: dict[str, HolderT] = {}

    def claim(self, name: str, holder: HolderT) -> None:
        """Give the name to the process.

        Raises:
            NameTaken: a living process has it.
        """
        other = self._holders.setdefault(name, holder)
        if other is not holder:
            raise NameTaken(f"the name {name!r} belongs to {other.label} already")

    def release(self, name: str, holder: HolderT) -> None:
        """Free the name if the process has it."""
        if self._holders.get(name) is holder:
            del self._holders[name]

    def find(self, name: str) -> HolderT | None:
        """The process of this name, or None."""
        return self._holders.get(name)

    def get(self, name: str) -> HolderT:
        """The process of this name.

        Raises:
            NameUnknown: there is none.
        """
        holder = self._holders.get(name)
        if holder is None:
            raise NameUnknown(f"no process is called {name!r}; named: {one_of(sorted(self._holders))}")
        return holder
