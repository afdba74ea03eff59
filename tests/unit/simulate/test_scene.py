from __future__ import annotations

import numpy as np
import pytest

from skymill.config.simulate import FieldConfig
from skymill.simulate.scene import Scene, add_stamp, place

PRIORS = {"kind": "parametric", "bulge_n": [1, 1], "mag": [19, 22]}


def field(**keys) -> FieldConfig:
    # 0.2 arcsec pixels: 300 px are 1 arcmin.
    return FieldConfig.model_validate(
        {"width_px": 300, "height_px": 150, "galaxies": PRIORS, "star_mag": [19, 23], **keys}
    )


def scene(survey, **keys) -> Scene:
    return place(field(**keys), survey, 1, "f")


def test_densities_are_per_square_arcminute(survey):
    found = scene(survey, galaxies_per_arcmin2=80, stars_per_arcmin2=20)

    assert (~found.is_star).sum() == 40 and found.is_star.sum() == 10
    assert (found.re_px[found.is_star] == 0).all()


def test_sources_lie_on_the_field(survey):
    found = scene(survey, galaxies_per_arcmin2=2000, clustered_fraction=0.5)

    assert found.x.min() >= -0.5 and found.x.max() < 299.5
    assert found.y.min() >= -0.5 and found.y.max() < 149.5
    # Even over the field: the mean of 1000 places has a standard error below 1 % of the width.
    assert found.x.mean() == pytest.approx(149.5, abs=14) and found.y.mean() == pytest.approx(74.5, abs=7)


def test_clustered_galaxies_have_a_companion(survey):
    def nearest_in_re(fraction: float) -> float:
        found = scene(survey, galaxies_per_arcmin2=100, stars_per_arcmin2=0, clustered_fraction=fraction)
        distance = np.hypot(found.x[:, None] - found.x, found.y[:, None] - found.y)
        np.fill_diagonal(distance, np.inf)
        return float(np.median(distance.min(axis=1)))

    assert nearest_in_re(0.5) < 0.6 * nearest_in_re(0.0)


def test_points_of_the_priors_are_left_to_the_stars(survey):
    found = scene(survey, galaxies={**PRIORS, "preset": "sdss"}, stars_per_arcmin2=0)

    assert not found.is_star.any()


def test_the_same_seed_gives_the_same_light(survey):
    light, failed = scene(survey).draw()
    again, _ = scene(survey).draw()

    np.testing.assert_array_equal(light, again)
    assert not failed.any()


def test_all_light_is_on_the_field(survey):
    found = scene(survey, galaxies_per_arcmin2=60, stars_per_arcmin2=10)
    light, _ = found.draw()
    expected = 10 ** (0.4 * (survey.zero_point_mag - found.mag))
    inside = (np.abs(found.x - 150) < 120) & (np.abs(found.y - 75) < 45)

    assert expected[inside].sum() * 0.97 < light.sum() < expected.sum() * 1.001


def test_bright_sources_get_larger_stamps(survey):
    found = scene(survey, galaxies_per_arcmin2=0, stars_per_arcmin2=20, star_mag=[10, 10.5])
    source = {name: values[0] for name, values in found.sources.items()}
    faint = {**source, "mag": 22.0}

    assert len(found._stamp(faint)) == 64
    bright = found._stamp(source)
    assert len(bright) > 64 and bright[0].max() < 0.05 * survey.background_rms


def test_one_failing_galaxy_leaves_the_others(survey, caplog):
    # A transform of 128 px is too small for stamps that bright galaxies need.
    found = scene(survey, galaxies={**PRIORS, "fft_max_px": 128, "mag": [15, 23]}, stars_per_arcmin2=0)
    light, failed = found.draw()

    assert 0 < failed.sum() < len(failed) and light.sum() > 0
    assert "could not be drawn" in caplog.text


@pytest.mark.parametrize(("column", "row"), [(0, 0), (19, 9), (10, 5), (-3, 4), (25, 12), (-40, 3)])
@pytest.mark.parametrize("size", [4, 5, 30])
def test_stamps_are_cut_off_at_the_edges(column: int, row: int, size: int):
    stamp = np.arange(1.0, size**2 + 1).reshape(size, size)
    image = np.zeros((10, 20))
    add_stamp(image, stamp, column, row)
    expected = np.zeros((10 + 200, 20 + 200))
    y0, x0 = row + 100 - size // 2, column + 100 - size // 2
    expected[y0 : y0 + size, x0 : x0 + size] = stamp

    np.testing.assert_array_equal(image, expected[100:110, 100:120])
