"""skymill.errors: one line that says the place, what was expected, what was found and what to do."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from skymill import errors
from skymill.errors import ConfigError, DataError, SkymillError

KINDS = [getattr(errors, name) for name in dir(errors) if name.endswith("Error")]


def test_message_holds_place_expected_found_and_remedy():
    error = DataError(Path("tiles/a.fits[SCI]"), expected="two axes", found="three", remedy="Name the plane.")

    assert str(error) == "tiles/a.fits[SCI]: expected two axes, found three. Name the plane."
    assert error.where == "tiles/a.fits[SCI]"


def test_message_without_remedy_ends_with_what_was_found():
    assert (
        str(ConfigError("seed", expected="an integer", found="'x'"))
        == "seed: expected an integer, found 'x'."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_skymill_error(kind: type[SkymillError]):
    assert issubclass(kind, SkymillError)
    with pytest.raises(SkymillError, match="expected a, found b"):
        raise kind("key", expected="a", found="b")


def test_expected_and_found_have_no_default():
    with pytest.raises(TypeError, match="expected"):
        SkymillError("key", found="b")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_an_error_can_be_copied(duplicate):
    """By the protocol that also carries it from a worker process to its parent."""
    error = DataError("tile.fits", expected="two axes", found="three", remedy="Name the plane.")

    assert str(duplicate(error)) == str(error)


@pytest.mark.parametrize(
    "text", ["two\nlines", "a\r\nb", "a\0b", "\x1b[31mred", "a\u2028b", "a\x85b", "\udcff"]
)
def test_every_message_is_one_line_that_a_terminal_shows(text: str):
    error = DataError(f"{text}.fits", expected=text, found=text, remedy=text)

    assert len(str(error).splitlines()) == 1
    assert str(error).isprintable()
    assert (error.found, error.where) == (text, f"{text}.fits")


def test_what_a_library_says_is_shortened_but_kept():
    error = DataError("a.fits", expected="b", found="start" + "x" * 10_000 + "end")

    assert len(str(error)) < 2_000
    assert "startxx" in str(error)
    assert "xxend" in str(error)
    assert "characters left out" in str(error)
    assert len(error.found) == 10_008
