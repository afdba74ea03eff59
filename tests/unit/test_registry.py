"""skymill.registry: things chosen by name, with errors that list the known ones."""

from __future__ import annotations

import pytest

from skymill.errors import ConfigError
from skymill.registry import Registry


@pytest.fixture
def shapes() -> Registry[type]:
    registry: Registry[type] = Registry("shape")
    registry.register("square")(int)
    registry.register("circle")(float)
    return registry


def test_register_returns_the_object_itself(shapes: Registry[type]):
    @shapes.register("triangle")
    class Triangle: ...

    assert shapes["triangle"] is Triangle
    assert Triangle.__name__ == "Triangle"


def test_names_are_sorted_and_iterated(shapes: Registry[type]):
    assert shapes.names() == ["circle", "square"]
    assert list(shapes) == ["circle", "square"]


def test_membership(shapes: Registry[type]):
    assert "circle" in shapes
    assert "sphere" not in shapes
    assert 3 not in shapes


def test_unknown_name_lists_the_known_ones(shapes: Registry[type]):
    with pytest.raises(ConfigError, match="shape: expected one of: circle, square, found 'sphere'"):
        shapes["sphere"]


def test_unknown_name_in_an_empty_registry():
    with pytest.raises(ConfigError, match="expected one of: none, found 'x'"):
        Registry("shape")["x"]


def test_a_name_is_taken_once(shapes: Registry[type]):
    with pytest.raises(ConfigError, match="shape 'circle': expected a new name"):
        shapes.register("circle")(complex)

    assert shapes["circle"] is float


def test_registries_are_apart(shapes: Registry[type]):
    assert Registry("shape").names() == []
    assert len(shapes.names()) == 2
