from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.groups import Group, GroupRecipe
from skymill.errors import ConfigError


def draw(config, galaxies, count: int = 200) -> list[Group]:
    recipe = GroupRecipe(config, galaxies)
    return [recipe.draw(np.random.default_rng(number)) for number in range(count)]


def offsets(group: Group, galaxies) -> tuple[np.ndarray, np.ndarray]:
    members = group.members
    x, y = group.shift_x + galaxies.dx[members], group.shift_y + galaxies.dy[members]
    return x - x[0], y - y[0]


def test_group_sizes_follow_their_shares(config, galaxies):
    groups = draw(config(group_sizes={1: 1, 2: 2, 3: 1}), galaxies, 1000)
    count = np.bincount([len(group.members) for group in groups], minlength=4)

    # 5 sigma of a binomial of 1000.
    np.testing.assert_allclose(count[1:], [250, 500, 250], atol=80)


def test_a_group_holds_no_galaxy_twice_and_the_central_stays(config, galaxies):
    for group in draw(config(group_sizes={4: 1}), galaxies):
        assert len(set(group.members)) == 4
        assert group.shift_x[0] == group.shift_y[0] == 0


@pytest.mark.parametrize("limits", [(0.0, 2.0), (0.5, 1.0), (0.0, 0.2)])
def test_magnitudes_differ_as_wanted(config, galaxies, limits):
    groups = draw(config(group_sizes={2: 1}, delta_mag=limits), galaxies)
    difference = np.array([np.ptp(galaxies.mag[group.members]) for group in groups])

    assert difference.min() >= limits[0] and difference.max() <= limits[1]


def test_companions_are_brighter_and_fainter_alike(config, galaxies):
    groups = draw(config(group_sizes={2: 1}, delta_mag=(0.5, 1.5)), galaxies, 400)
    brighter = np.mean([galaxies.mag[group.members[1]] < galaxies.mag[group.members[0]] for group in groups])

    assert 0.35 < brighter < 0.65


def test_radius_distances_keep_to_the_rule_with_sub_pixel_offsets(config, galaxies):
    settings = config(group_sizes={2: 1})
    recipe = GroupRecipe(settings, galaxies)
    for group in draw(settings, galaxies):
        dx, dy = offsets(group, galaxies)
        low, high = recipe.limits(*group.members)
        assert low <= np.hypot(dx[1], dy[1]) <= high <= 16


def test_uniform_distances_are_even_and_all_around(config, galaxies):
    settings = config(group_sizes={2: 1}, separation={"kind": "uniform", "separation_px": (4, 16)})
    moved = np.array(
        [[part[1] for part in offsets(group, galaxies)] for group in draw(settings, galaxies, 1000)]
    )
    distance = np.hypot(*moved.T)

    assert distance.min() >= 4 and distance.max() <= 16
    # Standard error of the mean of 1000 even draws over 12 px: 0.11 px. Whole pixels may shift it a little more.
    assert distance.mean() == pytest.approx(10, abs=0.6)
    assert np.abs((moved / distance[:, None]).mean(axis=0)).max() < 0.12


def test_companions_keep_off_each_other(config, galaxies):
    settings = config(group_sizes={4: 1}, separation={"kind": "uniform", "separation_px": (6, 16)})
    for group in draw(settings, galaxies, 50):
        dx, dy = offsets(group, galaxies)
        apart = np.hypot(dx[:, None] - dx, dy[:, None] - dy)[np.triu_indices(4, 1)]
        assert apart.min() >= 6


def test_the_same_generator_gives_the_same_group(config, galaxies):
    first, second = (draw(config(), galaxies, 20) for _ in range(2))

    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.members, other.members)
        np.testing.assert_array_equal(one.shift_x, other.shift_x)


def test_alone_there_are_no_companions(config, galaxies):
    assert all(len(group.members) == 1 for group in draw(config(group_sizes={1: 1}), galaxies, 10))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"delta_mag": (8, 9)},
            r"blend.delta_mag: expected a range .* found \[8, 9\], in which none has more than 0",
        ),
        ({"delta_mag": (0, 1e-9), "group_sizes": {3: 1}}, "blend.delta_mag: .* 2 partners for a group of 3"),
        (
            {"separation": {"kind": "radius", "limit_px": 16, "min_factor": 10, "squeeze": None}},
            "blend.separation: expected distances that leave room",
        ),
        (
            {
                "separation": {"kind": "uniform", "separation_px": (14, 15)},
                "group_sizes": {9: 1},
                "delta_mag": (0, 9),
            },
            "room for groups of 9",
        ),
    ],
)
def test_impossible_recipes_are_one_clear_error(config, galaxies, keys, message):
    with pytest.raises(ConfigError, match=message):
        draw(config(**{"group_sizes": {2: 1}, **keys}), galaxies, 1)
