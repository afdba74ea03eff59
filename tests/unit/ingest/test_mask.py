from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from skymill.catalog.match import match_positions
from skymill.config.detect import PLAIN
from skymill.config.ingest import IngestConfig, TileFacts, load_tiles
from skymill.data.fits_image import read_image
from skymill.data.survey import load_survey
from skymill.data.tile import MaskBit
from skymill.detectors.build import build_detector
from skymill.errors import DataError
from skymill.ingest.ingest import Sources, make_tile
from skymill.ingest.mask import read_mask

LSST = fits.Header()
for number, name in enumerate(("BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE")):
    LSST[f"HIERARCH MP_{name}"] = number


@pytest.fixture
def masked(write, star_image):
    """Read a mask that lies beside the star image."""
    image = read_image(write(star_image))

    def read(mask, header=None, name="mask.fits", **facts):
        path = write((mask, header), name=name)
        return read_mask(path, TileFacts(tile_id="t", survey="s", **facts), image)

    return read


def flags_of(light: np.ndarray) -> np.ndarray:
    flags = np.where(light > 6, 32, 0).astype(np.int32)
    flags[:4] |= 16
    flags[40, 50] |= 2
    return flags


def test_the_header_of_the_mask_decides(masked, star_light, caplog):
    caplog.set_level("INFO")
    given = masked(flags_of(star_light), LSST)

    assert (given.bits[:4] == MaskBit.BAD).all()
    assert given.bits[40, 50] == MaskBit.SATURATED
    assert np.count_nonzero(given.bits) == 4 * 320 + 1
    assert given.warnings == ()
    assert given.facts["mask_convention"] == "lsst"
    assert given.facts["mask_planes_left"] == {"DETECTED (5)": int((star_light > 6).sum())}
    assert "taken BAD (0) → bad: 0 px, SAT (1) → saturated: 1 px" in caplog.text
    assert "left DETECTED (5)" in caplog.text


def test_what_is_unusual_is_said_in_log_and_facts(masked, star_light, caplog):
    given = masked(flags_of(star_light), LSST, mask_planes="DETECTED")

    assert len(given.warnings) == 2
    assert given.facts["mask_warnings"] == list(given.warnings)
    assert given.facts["mask_fraction_of_bright"] > 0.9
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == list(given.warnings)


def test_the_table_may_say_whose_planes_they_are(masked, star_light):
    flags = np.where(star_light > 6, 2, 0).astype(np.int16)  # ZTF's bit 1: a detection
    flags[:4] |= 1 << 10
    given = masked(flags, mask_convention="ztf")

    assert np.count_nonzero(given.bits) == 4 * 320
    assert (given.bits[:4] == MaskBit.NO_DATA).all()
    with pytest.raises(DataError, match="several values"):
        masked(flags, name="again.fits")


def test_cards_of_the_primary_header_count(tmp_path, write, star_image):
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "HST", "INSTRUME": "ACS"}))
    flags = np.zeros(star_image.shape, dtype=np.int16)
    flags[0, :4] = [64, 128, 256, 4096]
    path = write(primary, fits.ImageHDU(star_image, name="SCI"), fits.ImageHDU(flags, name="DQ"))
    row = TileFacts(tile_id="t", survey="s", mask_hdu="DQ")
    given = read_mask(path, row, read_image(path, "SCI"))

    assert given.bits[0, :4].tolist() == [0, MaskBit.BAD, MaskBit.SATURATED, MaskBit.BAD]
    assert given.translation.convention == "hst_acs"


@pytest.mark.parametrize("kind", ["plain", "compressed", "uint16"])
def test_masks_are_read_however_they_are_packed(masked, write, star_image, kind):
    flags = np.zeros(star_image.shape, dtype=np.uint16 if kind == "uint16" else np.int32)
    flags[10:12] = 1 << 15 | 1
    hdu = fits.CompImageHDU(flags, LSST) if kind == "compressed" else fits.ImageHDU(flags, LSST)
    path = write(fits.PrimaryHDU(), hdu, name="mask.fits")
    image = read_image(write(star_image, name="other.fits"))
    given = read_mask(path, TileFacts(tile_id="t", survey="s", mask_planes="15"), image)

    assert np.flatnonzero(given.bits.any(axis=1)).tolist() == [10, 11]


def test_blank_pixels_of_a_mask_are_without_data(masked, star_image):
    flags = np.zeros(star_image.shape, dtype=np.int16)
    flags[3:5], flags[8] = -99, 1
    given = masked(flags, fits.Header({"BLANK": -99}))

    assert (given.bits[3:5] == MaskBit.NO_DATA).all()
    assert (given.bits[8] == MaskBit.BAD).all()


BROKEN = {
    "shape": (lambda ok: ok[1:], r"expected the shape \(320, 320\) of .*image\.fits"),
    "cube": (lambda ok: np.stack([ok, ok]), "expected a 2-D image, found a 3-D"),
    "inverted": (lambda ok: 1 - ok, r"found 98\.4% of it masked and 1\.6% left"),
    "weight": (lambda ok: np.linspace(0, 1, ok.size, dtype="f4").reshape(ok.shape), "a mask of integers"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_mask_of_the_image_is_one_line(masked, star_image, case):
    make, message = BROKEN[case]
    fine = np.zeros(star_image.shape, dtype=np.uint8)
    fine[:5] = 1

    assert masked(fine, name="fine.fits").warnings == ()
    with pytest.raises(DataError, match=message) as caught:
        masked(make(fine))
    assert "mask.fits" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_cases_sources_are_found_under_a_mask_that_flags_them(make_case, repository):
    folder = make_case("lsst_mask")
    (row,) = load_tiles(folder / "tiles.tsv")
    facts = TileFacts.model_validate({name: getattr(row, name) for name in TileFacts.model_fields})
    survey = load_survey(row.survey, repository / "config" / "surveys")
    tile, record = make_tile(facts, survey, IngestConfig(), Sources(folder / row.image))
    found = build_detector({"kind": "sep"}).extractor.extract(tile, PLAIN)
    x, y, *_ = np.loadtxt(folder / "truth.txt").T

    assert len(match_positions(x, y, found["x"], found["y"], 1.0)) == 100
    assert (np.asarray(tile.mask)[:10] == MaskBit.BAD).all()
    assert (np.asarray(tile.mask)[200:205] == MaskBit.BAD).all()
    assert np.count_nonzero(tile.mask) == 15 * 400
    assert record["mask_warnings"] == []


def test_sdss_masks_need_no_hdu(shared_data):
    folder = shared_data / "sdss_run94_camcol1_field12"
    image = read_image(folder / "frame-r-000094-1-0012.fits.bz2")
    path = folder / "fpM-000094-r1-0012.fit"
    given = read_mask(path, TileFacts(tile_id="t", survey="s"), image)

    # Saturated cores are flagged; what photo has repaired or not searched is used.
    assert np.unique(given.bits).tolist() == [0, MaskBit.SATURATED]
    assert np.count_nonzero(given.bits) == 523
    assert given.warnings == ()
    cosmic = read_mask(path, TileFacts(tile_id="t", survey="s", mask_planes="CR, INTERP"), image)
    assert (cosmic.bits == MaskBit.BAD).sum() == 18861
    with pytest.raises(DataError, match="expected no mask_hdu"):
        read_mask(path, TileFacts(tile_id="t", survey="s", mask_hdu=2), image)
