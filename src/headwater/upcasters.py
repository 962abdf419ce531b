"""The upcasters of an application together: where each leads, and whether they leave a hole. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from headwater.errors import BrokenUpcasters, DefinitionError, Undecodable
from headwater.types import TypeName
from headwater.upcaster import AnyUpcaster, Origin, Raw, Upcaster


class Upcasters:
    """All upcasters of an application: one for each old type name and schema version.

    Args:
        upcasters: the upcasters.

    Raises:
        DefinitionError: one of them is none.
        BrokenUpcasters: two are for the same type name and version, or they lead round in a circle.
    """

    __slots__ = ("_ends", "_upcasters")

    def __init__(self, upcasters: Iterable[AnyUpcaster] = ()) -> None:
        self._upcasters: Final[dict[TypeName, AnyUpcaster]] = {}
        for upcaster in upcasters:
            if not isinstance(upcaster, Upcaster):
                raise DefinitionError(f"{upcaster!r} is no upcaster: put @upcast(…) before the function")
            other = self._upcasters.setdefault(upcaster.source, upcaster)
            if other is not upcaster:
                raise _broken(upcaster.source, f"there are two upcasters for it, {other.name} and {upcaster.name}")
        self._ends: Final[dict[TypeName, frozenset[TypeName]]] = {}
        for source in self._upcasters:
            self._find_ends(source, ())

    def __iter__(self) -> Iterator[AnyUpcaster]:
        return iter(self._upcasters.values())

    def __contains__(self, name: tuple[str, int]) -> bool:
        """Whether there is an upcaster for events of this type name and schema version."""
        return name in self._upcasters

    def check(self, known: Collection[TypeName]) -> None:
        """Make sure that all versions of all types up to the present ones can be read.

        Args:
            known: the type names that have classes.

        Raises:
            BrokenUpcasters: an upcaster leads to a type without a class, or is for one that has a class; or a lower
                version of a type has neither a class nor an upcaster.
        """
        for source, upcaster in self._upcasters.items():
            if source in known:
                raise _broken(source, f"it has a class, and {upcaster.name} upcasts it: raise the class's version")
            for target in upcaster.targets:
                if target not in known and target not in self._upcasters:
                    raise _broken(target, f"{upcaster.name} leads to it, but it has neither a class nor an upcaster")
        for name in (*known, *self._upcasters):
            self._check_versions_below(name, known)

    def _check_versions_below(self, name: TypeName, known: Collection[TypeName]) -> None:
        for lower in (TypeName(name.name, number) for number in range(1, name.version)):
            if lower not in known and lower not in self._upcasters:
                raise _broken(
                    lower,
                    f"{name.name} has come to version {name.version}, and events of version {lower.version} could not "
                    f"be read: add an upcaster, @upcast({name.name!r}, schema={lower.version})",
                )

    def ends(self, name: TypeName) -> frozenset[TypeName]:
        """What events of this type name and version are read as; the same, if there is no upcaster for them."""
        return self._ends.get(name, frozenset((name,)))

    def sources(self, types: Iterable[str]) -> frozenset[str]:
        """The type names under which events that are read as one of these types may lie in the log; these too."""
        wanted = frozenset(types)
        return wanted.union(
            source.name for source, ends in self._ends.items() if not wanted.isdisjoint(end.name for end in ends)
        )

    def concern(self, types: Iterable[str]) -> bool:
        """Whether an event of one of these types may be read as another one, or another one as one of these."""
        wanted = frozenset(types)
        return any(source.name in wanted for source in self._ends) or self.sources(wanted) != wanted

    def apply(self, name: TypeName, data: object, origin: Origin) -> Iterator[Raw]:
        """What an old event is read as, in order: each one before the function that gives it goes on.

        Raises:
            Undecodable: an upcaster raised something, or gave what it had not declared; names the upcaster.
        """
        if not isinstance(data, dict):
            raise Undecodable(f"upcasters take JSON objects, and this {name} is none", name=name.name)
        for raw in self._upcasters[name].run(data, origin):
            made = TypeName(raw.type, raw.schema)
            if made in self._upcasters:
                yield from self.apply(made, dict(raw.data), origin)
            else:
                yield raw

    def _find_ends(self, name: TypeName, path: tuple[TypeName, ...]) -> frozenset[TypeName]:
        if name in path:
            circle = " → ".join(map(str, (*path[path.index(name) :], name)))
            raise _broken(name, f"its upcasters lead round in a circle: {circle}")
        upcaster = self._upcasters.get(name)
        if upcaster is None:
            return frozenset((name,))
        if name not in self._ends:
            ends = [self._find_ends(target, (*path, name)) for target in upcaster.targets]
            self._ends[name] = frozenset[TypeName]().union(*ends)
        return self._ends[name]


def _broken(name: TypeName, why: str) -> BrokenUpcasters:
    return BrokenUpcasters(f"{name}: {why}", type=name.name, schema=name.version)
