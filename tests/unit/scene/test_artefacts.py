from __future__ import annotations

import numpy as np
import pytest

from skymill.config.scene import ArtefactConfig
from skymill.scene.artefacts import LARGEST_CLIP_RMS, Artefacts

SIDE = 128


@pytest.fixture
def make(survey):
    def build(**keys):
        return Artefacts(ArtefactConfig(**keys), survey, SIDE)

    return build


def each(n=20):
    return (np.random.default_rng(seed) for seed in range(n))


def test_saturated_stars_are_brighter_than_the_level(make, points):
    artefacts = make(saturated_stars_per_patch=3)
    stars = [star for one in each(6) for star in artefacts.saturated_stars(points.stamps[4, 4], 100.0, one)]

    assert len(stars) > 6
    for star in stars:
        assert star.light[int(star.y), int(star.x)] > 100.0
        assert star.light.shape == (SIDE, SIDE) and (star.light >= 0).all()
        # Halo, spikes and trail are beside the PSF's light.
        assert star.flux > 100.0


def test_some_stars_bleed_along_their_column(make, points):
    artefacts = make(saturated_stars_per_patch=2)
    trails = []
    for one in each(20):
        for star in artefacts.saturated_stars(points.stamps[4, 4], 50.0, one):
            column = star.light[:, int(star.x)] > 50.0
            row = star.light[int(star.y)] > 50.0
            trails.append(column.sum() > row.sum() + 4)
    assert 0.2 < np.mean(trails) < 0.8


def test_the_clip_level_is_the_surveys_or_below(make, survey):
    levels = [make().clip_level(one) for one in each(50)]
    assert max(levels) <= survey.saturation and min(levels) >= 1000 * survey.background_rms

    without = Artefacts(ArtefactConfig(), survey.model_copy(update={"saturation": None}), SIDE)
    assert max(without.clip_level(one) for one in each(50)) <= LARGEST_CLIP_RMS * survey.background_rms


def test_the_background_is_smooth_and_bounded(make, survey):
    artefacts = make(background_rms=0.5, step_fraction=0.0)
    for one in each(10):
        image = artefacts.background(one) / survey.background_rms
        assert np.abs(image).max() <= 0.5
        # Third differences of a surface of second order vanish.
        assert np.abs(np.diff(image, n=3, axis=0)).max() < 1e-9


def test_steps_are_along_rows_or_columns(make, survey):
    artefacts = make(background_rms=0.0, step_fraction=1.0, step_rms=0.3)
    axes = set()
    for one in each(20):
        image = artefacts.background(one) / survey.background_rms
        assert 0 < np.abs(image).max() <= 0.3 and len(np.unique(image)) <= 2
        axes.add(int((np.diff(image, axis=0) == 0).all()))
    assert axes == {0, 1}


def test_hits_are_sharp_and_counted_by_the_configuration(make, survey):
    hot = make(cosmic_rays_per_patch=0, hot_pixels_per_patch=4)
    counts = [np.count_nonzero(hot.hits(one)) for one in each(60)]
    assert 3 < np.mean(counts) < 5

    rays = make(cosmic_rays_per_patch=5, hot_pixels_per_patch=0)
    image = rays.hits(np.random.default_rng(1))
    assert image.max() <= 200 * survey.background_rms
    assert image[image > 0].min() >= 5 * survey.background_rms
    assert not make(cosmic_rays_per_patch=0, hot_pixels_per_patch=0).hits(np.random.default_rng(1)).any()


def test_streaks_cross_the_whole_patch(make, survey):
    artefacts = make(streak_fraction=1.0)
    image = artefacts.streaks(np.random.default_rng(2))
    bright = image > image.max() / 2

    assert image.max() <= 10 * survey.background_rms
    assert max(bright.any(axis=0).sum(), bright.any(axis=1).sum()) > 0.6 * SIDE
    assert not make(streak_fraction=0.0).streaks(np.random.default_rng(2)).any()
