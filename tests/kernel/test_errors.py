"""The error tree."""

import inspect

from headwater import errors


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
