"""What is in the place of the rows of a table that is no more: everything that is asked of it raises."""

from __future__ import annotations

from typing import NoReturn

from headwater.errors import TableGone


class Gone:
    """Raises `TableGone` on every use.

    Args:
        why: what became of the table.
    """

    __slots__ = ("_why",)

    def __init__(self, why: str) -> None:
        self._why = why

    def _refuse(self, *_: object) -> NoReturn:
        raise TableGone(self._why)

    def __getattr__(self, _: str) -> NoReturn:
        self._refuse()

    __len__ = __iter__ = __contains__ = __getitem__ = __setitem__ = __reversed__ = __bool__ = _refuse
