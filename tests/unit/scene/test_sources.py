from __future__ import annotations

import numpy as np

from skymill.scene.sources import MARGIN_FWHM, SourceRecipe, brighter_distance


def many(config, survey, galaxies, n=40, **keys):
    recipe = SourceRecipe(config(**keys), survey, galaxies)
    return [recipe.draw(np.random.default_rng(seed)) for seed in range(n)]


def test_density_is_drawn_evenly_in_the_logarithm(config, survey, galaxies):
    drawn = many(config, survey, galaxies, 400, side_px=256, density_per_1000_fwhm2=[2, 50])
    density = np.array([len(sources) for sources in drawn]) / (256 / 3) ** 2 * 1000

    assert 1.9 < density.min() < 2.3 and 45 < density.max() < 51
    # The median of a log-uniform number is the geometric mean of its ends: 10.
    assert 8 < np.median(density) < 12.5


def test_snr_is_drawn_evenly_in_the_logarithm(config, survey, galaxies):
    snr = np.concatenate([each.snr for each in many(config, survey, galaxies, snr=[2, 200])])

    assert snr.min() >= 2 and snr.max() <= 200
    assert abs(np.mean(snr < 20) - 0.5) < 0.05


def test_a_share_of_the_sources_is_beside_another(config, survey, galaxies):
    keys = {"density_per_1000_fwhm2": [3, 3], "side_px": 512, "pair_separation_fwhm": [0.5, 2.0]}

    def close_share(fraction):
        shares = []
        for sources in many(config, survey, galaxies, 10, pair_fraction=fraction, **keys):
            distance = np.hypot(sources.x[:, None] - sources.x, sources.y[:, None] - sources.y)
            np.fill_diagonal(distance, np.inf)
            shares.append(np.mean(distance.min(axis=1) < 2.0 * survey.psf_fwhm_px))
        return np.mean(shares)

    # By chance: 1 - exp(-density * pi * (2 FWHM)**2) = 4 %; of the moved ones each makes its host close, too.
    assert close_share(0.0) < 0.08
    assert close_share(0.4) > 0.4


def test_pairs_keep_to_their_range_of_separations(config, survey, galaxies):
    keys = {
        "pair_fraction": 0.5,
        "density_per_1000_fwhm2": [1, 1],
        "pair_separation_fwhm": [1, 1.5],
        "side_px": 512,
    }
    fwhm, nearest = survey.psf_fwhm_px, []
    for sources in many(config, survey, galaxies, 10, **keys):
        distance = np.hypot(sources.x[:, None] - sources.x, sources.y[:, None] - sources.y)
        np.fill_diagonal(distance, np.inf)
        nearest.append(distance.min(axis=1))
    nearest = np.concatenate(nearest)

    # Fields are so sparse that what is within 1.5 FWHM is a pair; two companions of one host may be nearer.
    close = nearest[nearest < 1.5 * fwhm]
    assert len(close) > 100
    assert np.mean(close > 0.999 * fwhm) > 0.85


def test_pairs_can_be_alike_in_brightness(config, survey, galaxies):
    keys = {"pair_fraction": 0.5, "snr": [2, 1000], "side_px": 512, "density_per_1000_fwhm2": [1, 1]}
    keys["pair_separation_fwhm"] = [0.001, 0.002]
    ratios = []
    for sources in many(config, survey, galaxies, 40, pair_snr_ratio=[0.25, 1.0], **keys):
        distance = np.hypot(sources.x[:, None] - sources.x, sources.y[:, None] - sources.y)
        # Two of one spot: a host and the one beside it; where there are three, the second is beside the host, too.
        spots = distance < 0.1
        for row in np.flatnonzero(spots.sum(axis=1) == 2):
            one, other = sources.snr[spots[row]]
            if max(one, other) > 10:  # The fainter one's range is not cut off.
                ratios.append(min(one, other) / max(one, other))
    ratios = np.array(ratios)

    assert len(ratios) > 100
    assert ratios.min() >= 0.249
    # Evenly in the logarithm: half of them above the geometric mean.
    assert abs(np.mean(ratios > 0.5) - 0.5) < 0.1


def test_sources_reach_a_little_beyond_the_edges(config, survey, galaxies):
    x = np.concatenate([each.x for each in many(config, survey, galaxies, pair_fraction=0)])
    margin = MARGIN_FWHM * survey.psf_fwhm_px

    assert -0.5 - margin <= x.min() < -0.5
    assert 95.5 < x.max() <= 95.5 + margin


def test_faint_sources_look_like_faint_galaxies(config, survey, galaxies):
    drawn = many(config, survey, galaxies, snr=[2, 200])
    snr = np.concatenate([each.snr for each in drawn])
    mag = galaxies.mag[np.concatenate([each.galaxy for each in drawn])]

    assert mag[snr < 5].mean() > mag[snr > 100].mean() + 2
    assert len(np.unique(mag[snr > 100])) > 2


def test_the_same_generator_gives_the_same(config, survey, galaxies):
    first, second = (many(config, survey, galaxies, 1)[0] for _ in range(2))

    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name))


def test_distance_to_a_brighter_source():
    distance = brighter_distance(
        np.array([0.0, 3.0, 3.0]), np.array([0.0, 4.0, 5.0]), np.array([1.0, 9.0, 2.0])
    )

    np.testing.assert_allclose(distance, [5.0, np.nan, 1.0])
    assert brighter_distance(*np.empty((3, 0))).shape == (0,)
    assert np.isnan(brighter_distance(np.zeros(2), np.zeros(2), np.ones(2))).all()
