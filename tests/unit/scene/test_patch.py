from __future__ import annotations

import numpy as np
import pytest

from skymill.data.survey import njy_to_image_flux
from skymill.metrics.moments import light_width
from skymill.scene.patch import turned
from skymill.scene.sources import Sources

from .conftest import STAMP_PX, draw_gaussian


def sources_at(x, y, snr, is_star, turns=0, flip=False):
    n = len(x)
    return Sources(
        np.full(n, is_star),
        np.zeros(n, int),
        np.array(x, float),
        np.array(y, float),
        np.array(snr, float),
        np.full(n, turns),
        np.full(n, flip),
    )


def make_patch(maker, config, sources, sigma=2.0, dx=0.3, dy=-0.2):
    n = len(sources)
    stamps = np.stack([draw_gaussian(sigma, dx, dy, 5.0)] * n).astype(np.float32)
    flux = np.full(n, 700.0)
    return maker(config).make(sources, stamps, flux, np.full((n, 2), [dx, dy]), np.random.default_rng(4))


def test_the_width_is_that_of_a_gaussian(maker, config):
    assert light_width(draw_gaussian(3.0, 0.3, -0.2, 5.0)) == pytest.approx(3.0, rel=1e-3)
    assert light_width(np.zeros((0, 4))) == 0

    patch = make_patch(maker, config(), sources_at([40.3, 200.0], [51.8, 51.8], [50.0, 50.0], is_star=False))
    assert patch.truth["width"] == pytest.approx([2.0, 0.0], rel=1e-3)


@pytest.mark.parametrize("is_star", [True, False])
@pytest.mark.parametrize(("turns", "flip"), [(0, False), (1, False), (3, True), (2, True)])
def test_the_truth_is_where_the_light_is(maker, config, is_star, turns, flip):
    patch = make_patch(
        maker, config(noise={"kind": "none"}), sources_at([40.3], [51.8], [50.0], is_star, turns, flip)
    )
    rows, columns = np.indices(patch.image.shape)
    total = patch.image.sum()

    assert abs((patch.image * columns).sum() / total - patch.truth["x"][0]) < 0.01
    assert abs((patch.image * rows).sum() / total - patch.truth["y"][0]) < 0.01
    assert abs(patch.truth["x"][0] - 40.3) <= 0.5 and abs(patch.truth["y"][0] - 51.8) <= 0.5


def test_a_stars_flux_is_the_sum_of_its_light(maker, config, survey):
    patch = make_patch(maker, config(noise={"kind": "none"}), sources_at([48], [48], [100.0], True))

    flux = njy_to_image_flux(patch.truth["flux"][0], survey.zero_point_mag)
    assert patch.image.sum() == pytest.approx(flux, rel=3e-3)


def test_a_galaxys_flux_scales_with_its_stamp(maker, config, survey):
    patch = make_patch(maker, config(noise={"kind": "none"}), sources_at([48], [48], [20.0], False))

    # The stamp of 5 image units stands for 700 nJy.
    assert patch.truth["flux"][0] / 700 == pytest.approx(patch.image.sum() / 5, rel=1e-3)


def test_signal_to_noise_of_a_faint_source_is_the_one_that_was_asked_for(maker, config):
    patch = make_patch(maker, config(), sources_at([48, 20], [48, 20], [5.0, 500.0], True))

    # Less a little: its own photons are noise, too, and most of it for a bright one.
    assert 4.3 < patch.truth["snr"][0] < 5.0
    assert patch.truth["snr"][1] < 400


def test_signal_to_noise_is_that_of_a_matched_filter(maker, config, survey):
    quiet = make_patch(maker, config(noise={"kind": "none"}), sources_at([48], [48], [8.0], True)).image
    maker = maker(config(noise={"kind": "gaussian"}))
    measured = []
    for seed in range(200):
        image = maker.noise.add(quiet.astype(float), np.random.default_rng(seed))
        measured.append((image * quiet).sum() / (quiet**2).sum())
    # The estimate's scatter is 1 / snr; 200 draws know it to 5 %.
    assert np.std(measured) == pytest.approx(1 / 8.0, rel=0.15)


def test_blank_sky_has_the_surveys_noise(maker, config, survey):
    patch = make_patch(maker, config(noise={"kind": "gaussian"}), sources_at([5], [5], [2.0], True))
    sky = patch.image[32:] / survey.background_rms

    assert abs(np.median(sky)) < 0.06
    assert sky.std() == pytest.approx(1.0, abs=0.04)


def test_what_is_an_object(maker, config):
    x = [48, 48.4, 20, 97, 70]
    y = [48, 48.0, 20, 20, 70]
    patch = make_patch(
        maker, config(object_snr=4.0, least_separation_px=1.0), sources_at(x, y, [100, 50, 3, 50, 6], True)
    )

    assert patch.truth["is_object"].tolist() == [True, False, False, False, True]


def test_segments_hold_the_brightest_source(maker, config, survey):
    patch = make_patch(
        maker,
        config(segment_rms=2.0, noise={"kind": "none"}),
        sources_at([30, 36], [48, 48], [200.0, 60.0], True),
    )

    assert patch.segments[48, 30] == 1 and patch.segments[48, 36] == 2
    assert patch.segments[5, 5] == 0
    assert ((patch.image > 4.2 * survey.background_rms) <= (patch.segments > 0)).all()


def test_saturated_stars_are_clipped_and_in_the_truth(maker, config):
    artefacts = {"saturated_stars_per_patch": 3.0}
    patch = make_patch(maker, config(artefacts=artefacts), sources_at([20], [20], [10.0], True))
    kinds = patch.truth["kind"]

    assert set(kinds) == {"star", "saturated_star"}
    assert np.sum(patch.image == patch.image.max()) >= np.sum(kinds == "saturated_star")


def test_jitter_scales_light_and_truth_alike(maker, config):
    sources = sources_at([48], [48], [400.0], True)
    keys = {"noise": {"kind": "none"}}
    still = make_patch(maker, config(**keys), sources)
    jittered = make_patch(maker, config(noise_jitter=0.3, **keys), sources)

    ratio = jittered.image.sum() / still.image.sum()
    assert abs(ratio - 1) > 0.01
    assert jittered.truth["flux"][0] / still.truth["flux"][0] == pytest.approx(ratio, rel=1e-4)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_stamps_turn_with_their_offset(turns, flip):
    stamp = draw_gaussian(2.0, 0.4, -0.1, 1.0)
    turned_stamp, (dx, dy) = turned(stamp, 0.4, -0.1, turns, flip)
    offset = np.arange(STAMP_PX - 1) - (STAMP_PX - 1) // 2

    assert turned_stamp.shape == (STAMP_PX - 1, STAMP_PX - 1)
    total = turned_stamp.sum()
    assert (turned_stamp * offset).sum() / total == pytest.approx(dx, abs=1e-4)
    assert (turned_stamp * offset[:, None]).sum() / total == pytest.approx(dy, abs=1e-4)
