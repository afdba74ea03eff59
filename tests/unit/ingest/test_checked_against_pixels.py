"""What the table, the header and the survey say of an image, against each other and against its pixels."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from astropy.io import fits

from skymill.config.ingest import IngestConfig, TileFacts
from skymill.errors import DataError
from skymill.ingest.ingest import Sources, make_tile


@pytest.fixture
def made(write, star_image, header, survey):
    """Make a tile of the star image with other cards and facts."""

    names = (f"image{number}.fits" for number in count())

    def make(cards=(), image=None, config=None, noise=None, survey_is=None, **facts):
        head = header()
        head.update(cards)
        data = star_image if image is None else image
        path = write((data.astype(np.float32), head), *([] if noise is None else [noise]), name=next(names))
        used = survey.model_copy(update=survey_is or {})
        row = TileFacts(
            tile_id="t", survey=survey.name, **({"rms_hdu": 1} if noise is not None else {}), **facts
        )
        return make_tile(row, used, config or IngestConfig(), Sources(path))

    return make


GO_ON = IngestConfig(on_mismatch="go_on")


def test_another_filter_is_refused(made):
    with pytest.raises(DataError, match=r"expected the filter r of survey test_r, found 'g.MP9401'"):
        made({"FILTER": "g.MP9401"})
    facts = made({"FILTER": "g.MP9401"}, config=GO_ON)[1]
    assert any("the filter r" in text for text in facts["warnings"])
    assert made({"FILTER": "SDSS r"})[1]["facts"]["filter"] == {
        "value": "SDSS r",
        "source": "read",
        "note": "",
    }
    assert made({"FILTER": "OPEN"})[1]["facts"]["filter"]["source"] == "assumed"


def test_the_unit_gives_the_zero_point_that_the_table_does_not(made, star_image):
    # 25.0 mag a unit of the survey is 10**2.56 nJy.
    tile, facts = made({"BUNIT": "nJy"}, image=star_image * 10**2.56)

    assert facts["facts"]["zero-point"]["source"] == "read"
    assert tile.meta.zero_point_mag + 2.5 * np.log10(tile.meta.unit) == pytest.approx(31.4)


def test_zero_points_that_contradict_each_other_are_refused(made):
    with pytest.raises(DataError, match=r"25\.0000 mag .* found 26\.2000 mag from the header's MAGZERO"):
        made({"MAGZERO": 26.2})
    assert made({"MAGZERO": 26.2}, zero_point_mag=25.0)[1]["facts"]["zero-point"]["source"] == "given"
    with pytest.raises(DataError, match=r"found 31\.4000 mag from the header's BUNIT \(nJy\)"):
        made({"BUNIT": "nJy"}, zero_point_mag=25.0)


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(1.1, "none"), (1.5, "warning"), (0.6, "warning"), (4, "refused"), (0.2, "refused")],
)
def test_another_depth_is_a_warning_or_refused(made, factor, outcome):
    survey_is = {"background_rms": 2.0 / factor}
    if outcome == "refused":
        with pytest.raises(DataError, match=r"a noise of .* within a factor of 3"):
            made(survey_is=survey_is)
        return
    warnings = made(survey_is=survey_is)[1]["warnings"]
    assert any("times the survey's" in text for text in warnings) == (outcome == "warning")


def test_a_gain_that_no_detector_can_have_is_refused(made):
    with pytest.raises(DataError, match=r"a sky noise of 0\.3 to 100000 electrons a pixel"):
        made(gain_e_per_unit=0.01)
    assert made(gain_e_per_unit=3.0)[0].meta.gain_e_per_unit == pytest.approx(3.0 * 2.0)


def test_the_headers_gain_and_saturation_are_compared(made):
    tile, facts = made({"GAIN": 20.0, "SATURATE": 3000.0})

    assert any("GAIN is 20" in text for text in facts["warnings"])
    assert facts["facts"]["saturation"]["source"] == "read"
    assert facts["pixels_saturated"] > 0
    assert tile.meta.saturation * tile.meta.unit == pytest.approx(2900, abs=1)


def test_a_saturation_below_the_sky_is_refused(made):
    with pytest.raises(DataError, match=r"expected a saturation above the sky, found 99, which [6-9]\d"):
        made(config=IngestConfig(saturation=99.0))
    warnings = made(config=IngestConfig(saturation=102.5))[1]["warnings"]
    assert any("reach the saturation 102.5" in text for text in warnings)


@pytest.mark.parametrize(
    ("kind", "value", "refused"),
    [
        ("rms", 2.0, False),
        ("rms", 1.2, True),
        ("inverse_variance", 0.25, False),
        ("rms", 0.25, True),
        ("variance", 4.0, False),
        ("variance", 2.0, False),
        ("rms", 4.0, True),
    ],
)
def test_a_noise_map_that_cannot_be_the_images_is_refused(made, star_image, kind, value, refused):
    noise = np.full(star_image.shape, value, dtype=np.float32)
    if refused:
        with pytest.raises(
            DataError, match=r"expected a noise of 0\.67 to .* times the scatter .* found .* times"
        ):
            made(noise=noise, rms_kind=kind)
        return
    assert (
        "times the image's own scatter" in made(noise=noise, rms_kind=kind)[1]["facts"]["noise map"]["note"]
    )


def test_correlated_noise_explains_a_larger_map(made, star_light):
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(4).normal(0, 2, star_light.shape)
    smooth = gaussian_filter(white, 0.6)
    # What a sum over many pixels sees is the white noise; single pixels scatter less.
    image = star_light + 100 + smooth
    _, facts = made(image=image, noise=np.full(image.shape, 2.0, dtype=np.float32))

    assert 2.0 / smooth.std() > 1.6
    assert facts["rms_median"] == pytest.approx(2.0)


@pytest.mark.parametrize("said", [None, "total", "sky"])
def test_a_map_of_the_total_noise_becomes_one_of_the_sky(made, star_light, said):
    gain = 50.0
    variance = 4.0 + star_light / gain
    image = 100 + star_light + np.random.default_rng(6).normal(0, 1, star_light.shape) * np.sqrt(variance)
    tile, facts = made(image=image, noise=np.sqrt(variance).astype(np.float32), rms_holds=said)
    rms = np.asarray(tile.rms) * tile.meta.unit

    if said == "sky":
        assert rms.max() > 4
        assert any("rms_holds says 'sky'" in text for text in facts["warnings"])
        return
    assert rms.max() == pytest.approx(2.0, rel=0.05)
    # The survey's gain is 2: the map shows another one, and that is said.
    assert tile.meta.gain_e_per_unit / tile.meta.unit == pytest.approx(gain, rel=0.05)
    assert any("shows a gain of" in text for text in facts["warnings"])


def test_several_images_are_refused_with_their_list(write, star_image, header, survey):
    path = write((star_image, header()), (star_image, fits.Header({"EXTNAME": "WEIGHT"})))
    row = TileFacts(tile_id="t", survey=survey.name)

    with pytest.raises(DataError, match=r"found 2 images: .*'WEIGHT'"):
        make_tile(row, survey, IngestConfig(), Sources(path))
    row = TileFacts(tile_id="t", survey=survey.name, image_hdu=0)
    assert make_tile(row, survey, IngestConfig(), Sources(path))[0].shape == star_image.shape
