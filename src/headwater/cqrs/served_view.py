"""One view of an application, whichever version of it serves."""

from __future__ import annotations

from headwater.cqrs.projection import Projection
from headwater.errors import UnknownView, one_of


class ServedView:
    """The versions of one view that an application knows, and the one of them that serves.

    Args:
        first: the version that serves unless another one was made the active one.

    Attributes:
        name: the view's name, without a version.
        versions: the classes by version.
        projection: the class of the one that serves.
    """

    def __init__(self, first: type[Projection]) -> None:
        self.name = first.view_name
        self.versions: dict[int, type[Projection]] = {first.view_version: first}
        self.projection = first

    @property
    def process_name(self) -> str:
        """The name of its process."""
        return f"view {self.name}"

    def version(self, version: int) -> type[Projection]:
        """The class of a version.

        Raises:
            UnknownView: the application doesn't know that version.
        """
        found = self.versions.get(version)
        if found is None:
            known = one_of([one.view for one in self.versions.values()])
            raise UnknownView(f"the application has no version {version} of view {self.name!r}; known: {known}")
        return found
