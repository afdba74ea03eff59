from __future__ import annotations

import numpy as np
import pytest

from skymill.blend.galaxies import galaxies_of_side
from skymill.errors import ConfigError


def test_only_one_side_and_nothing_that_failed(make_truth, survey):
    truth = make_truth()
    sides = {side: galaxies_of_side(truth, side, survey, 2) for side in ("train", "validation", "test")}
    numbers = {side: set(found.galaxy_id) for side, found in sides.items()}

    assert 0 not in set.union(*numbers.values())
    assert len(set.union(*numbers.values())) == sum(map(len, numbers.values())) == 59
    for side, found in sides.items():
        assert set(found.table["side"]) == {side} and len(found) == len(numbers[side])


def test_all_sides_together(make_truth, survey):
    truth = make_truth()
    found = galaxies_of_side(truth, "all", survey, 2)

    assert set(found.table["side"]) == {"train", "validation", "test"}
    assert sorted(found.galaxy_id) == list(range(1, len(truth)))
    with pytest.raises(ConfigError, match=r"populations: expected at least 4 galaxies.* found 3 of 4"):
        galaxies_of_side(make_truth(4), "all", survey, 4)


def test_radii_are_those_seen_on_the_image(make_truth, survey):
    found = galaxies_of_side(make_truth(), "test", survey, 2)
    points = found.table["kind"] == "point"

    # Half of the PSF's width of 0.6 arcsec is 1.5 px.
    np.testing.assert_allclose(found.radius_px[points], 1.5)
    np.testing.assert_allclose(found.radius_px, np.hypot(found.table["re"] / 0.2, 1.5), rtol=1e-6)


def test_a_side_with_too_few_galaxies_is_refused(make_truth, survey):
    with pytest.raises(ConfigError, match=r"split.validation: expected at least 4 galaxies.* found 1 of 4"):
        galaxies_of_side(make_truth(4), "validation", survey, 4)
