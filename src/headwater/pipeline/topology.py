"""Topology: a pipeline's processes, as data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class BatcherTopology(msgspec.Struct, frozen=True):
    """A batcher.

    Attributes:
        batcher: the name of its process.
        processors: the names of its batch processors.
    """

    batcher: str
    processors: tuple[str, ...]


class Topology(msgspec.Struct, frozen=True):
    """The names of a pipeline's processes, each unique in its system; see `System.whereis`.

    Attributes:
        name: the pipeline's.
        sources: those of its source stages, in the order of its sources.
        processors: those of its processors.
        batchers: its batchers, by their names.
    """

    name: str
    sources: tuple[str, ...]
    processors: tuple[str, ...]
    batchers: Mapping[str, BatcherTopology]
