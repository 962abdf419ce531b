"""The error tree."""

import importlib
import inspect
import pickle
import pkgutil
import traceback
from collections.abc import Iterator
from types import ModuleType

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


def test_an_error_is_pickled_by_that_name_and_comes_back() -> None:
    data = pickle.dumps(errors.StoreClosed("the store is closed"))
    assert b"headwater.errors" in data
    assert b"headwater.errors.store" not in data
    back = pickle.loads(data)
    assert type(back) is errors.StoreClosed
    assert str(back) == "the store is closed"
