"""The error tree."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import traceback
from collections.abc import Iterator
from types import ModuleType
from uuid import UUID

from headwater import errors


def _families() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(errors.__path__):
        yield importlib.import_module(f"{errors.__name__}.{module.name}")


def _errors_in(module: ModuleType) -> dict[str, type[Exception]]:
    return {
        name: value for name, value in vars(module).items() if inspect.isclass(value) and issubclass(value, Exception)
    }


def test_every_error_derives_from_one_base_and_says_what_it_is() -> None:
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert len(found) > 30
    for error in found:
        assert issubclass(error, errors.HeadwaterError)
        assert error.__doc__


def test_the_docstring_of_the_module_shows_the_whole_tree() -> None:
    assert errors.__doc__ is not None
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert name in errors.__doc__, name


def test_names_in_a_message_are_cut_when_there_are_many() -> None:
    assert errors.one_of([]) == "none"
    assert errors.one_of(["a", "b"]) == "a, b"
    assert errors.one_of([str(number) for number in range(20)], limit=3) == "0, 1, 2 … (17 more)"


def test_every_error_of_a_family_is_found_in_the_package() -> None:
    everywhere = {name: error for family in _families() for name, error in _errors_in(family).items()}
    assert everywhere == _errors_in(errors)
    assert everywhere.keys() <= set(errors.__all__)


def test_an_error_is_called_by_the_place_that_it_is_imported_from() -> None:
    for name, error in _errors_in(errors).items():
        assert f"{error.__module__}.{error.__qualname__}" == f"headwater.errors.{name}"
    [line] = traceback.format_exception_only(errors.StoreClosed("the store is closed"))
    assert line == "headwater.errors.StoreClosed: the store is closed\n"


def _made(kind: type[Exception]) -> Exception:
    """An error with something in each attribute."""
    values = {"str": "a", "int": 7, "object": ("b", 8), "Sequence[UUID]": [UUID(int=9)], "str | None": "c"}
    values |= {"int | None": 10, "UUID | None": UUID(int=11)}
    if not inspect.isfunction(kind.__init__):
        return kind("what was wrong")
    given, named = [], {}
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            given.append(values[str(parameter.annotation)])
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = values[str(parameter.annotation)]
    return kind(*given, **named)


def test_an_error_is_pickled_by_that_name_and_comes_back_as_it_was() -> None:
    for kind in _errors_in(errors).values():
        error = _made(kind)
        data = pickle.dumps(error)
        back = pickle.loads(data)
        assert f"headwater.errors\x94\x8c{chr(len(kind.__name__))}{kind.__name__}".encode("latin-1") in data
        assert type(back) is kind
        assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))


class Refused(errors.Rejected):
    def __init__(self, amount: int, limit: int) -> None:
        super().__init__(f"{amount} is more than {limit}", reason="limit", amount=amount)
        self.limit = limit


def test_an_application_s_own_error_comes_back_as_it_was_too() -> None:
    error = Refused(5, 3)
    error.add_note("seen by the clerk")
    for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(back) is Refused
        assert str(back) == "5 is more than 3"
        assert (back.limit, back.reason, back.details, back.__notes__) == (
            3,
            "limit",
            {"amount": 5},
            ["seen by the clerk"],
        )
