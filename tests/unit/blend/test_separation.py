from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.blend.separation import SEPARATIONS
from skymill.config.blend import RadiusSeparation, UniformSeparation

RADII = st.floats(0.5, 100)


def radius(one: float, other: float, **keys) -> tuple[float, float]:
    return SEPARATIONS["radius"](RadiusSeparation(**keys), one, other)


def test_uniform_is_the_same_for_all():
    assert SEPARATIONS["uniform"](UniformSeparation(separation_px=(3, 9)), 1.0, 50.0) == (3, 9)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (5, 8, (8, 20)),  # max(Re) to 4 min(Re)
        (8, 5, (8, 20)),  # whichever is central
        (20, 18, (20, 64)),  # 64 px at most
        (2, 10, (0.8 * 8, 8)),  # 10 is above 4 x 2: 0.8 to 1 times the upper end
        (70, 30, (0.8 * 64, 64)),  # the limit counts as upper end, too
    ],
)
def test_radius_is_the_rule_of_boucaud20(one: float, other: float, expected: tuple[float, float]):
    assert radius(one, other, limit_px=64) == pytest.approx(expected)


@given(one=RADII, other=RADII)
def test_no_pair_is_impossible_with_the_squeeze(one: float, other: float):
    low, high = radius(one, other, limit_px=24)
    assert 0 < low < high <= 24


def test_without_the_squeeze_some_pairs_are():
    low, high = radius(2, 10, squeeze=None)
    assert low >= high


def test_every_kind_of_the_configuration_is_registered():
    assert SEPARATIONS.names() == ["radius", "uniform"]
