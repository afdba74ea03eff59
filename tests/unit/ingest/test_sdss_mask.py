from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits

from skymill.data.fits_image import read_image
from skymill.errors import DataError
from skymill.ingest.sdss_mask import is_fpm, read_fpm

NAMES = [
    "INTERP",
    "SATUR",
    "NOTCHECKED",
    "OBJECT",
    "BRIGHTOBJECT",
    "BINOBJECT",
    "CATOBJECT",
    "SUBTRACTED",
    "GHOST",
    "CR",
]
SHAPE = (20, 30)
FRAME = {"RUN": 94, "CAMCOL": 1, "FRAME": 12}


def plane(*masks: tuple) -> fits.BinTableHDU:
    """One table: masks of (row0, col0, [(row, first, last), …])."""
    runs = [np.array(spans, dtype=">i2").reshape(-1, 3) for _, _, spans in masks]
    heap = np.empty(len(runs), dtype=object)
    heap[:] = [part.view(np.uint8).ravel() for part in runs]
    columns = [
        fits.Column("nspan", "1J", array=[len(part) for part in runs]),
        fits.Column("row0", "1J", array=[mask[0] for mask in masks]),
        fits.Column("col0", "1J", array=[mask[1] for mask in masks]),
        fits.Column("npix", "1J", array=[int((part[:, 2] - part[:, 1] + 1).sum()) for part in runs]),
        fits.Column("s", "PB()", array=heap),
    ]
    return fits.BinTableHDU.from_columns(columns)


@pytest.fixture
def fpm(tmp_path):
    """Write an fpM file with some planes of its ten filled."""

    def write(name="fpM-000094-r1-0012.fit", names=NAMES, **planes: fits.BinTableHDU):
        primary = fits.PrimaryHDU()
        primary.header.update(RUN=94, CAMCOL=1, FIELD=12, MASKROWS=SHAPE[0], MASKCOLS=SHAPE[1], NPLANE=10)
        tables = [planes.get(one, plane()) for one in NAMES]
        listed = fits.BinTableHDU.from_columns(
            [
                fits.Column("defName", "31A", array=["S_MASKTYPE"] * (len(names) + 1)),
                fits.Column("attributeName", "31A", array=[*(f"S_MASK_{n}" for n in names), "S_NMASK_TYPES"]),
                fits.Column("Value", "1J", array=range(len(names) + 1)),
            ]
        )
        path = tmp_path / name
        fits.HDUList([primary, *tables, listed]).writeto(path)
        return path

    return write


def test_runs_are_rows_with_first_and_last_column(fpm):
    satur = plane((0, 0, [(3, 5, 7), (4, 6, 6)]), (0, 0, [(19, 0, 29)]))
    flags = read_fpm(fpm(SATUR=satur, CR=plane((0, 0, [(3, 7, 8)]))), FRAME)
    expected = np.zeros(SHAPE, dtype=np.uint16)
    expected[3, 5:8] = expected[4, 6] = expected[19] = 2
    expected[3, 7:9] |= 512

    np.testing.assert_array_equal(flags, expected)


def test_runs_count_from_their_masks_corner_and_end_at_the_frame(fpm):
    # Rows and columns above 255 need both bytes of each number.
    spans = [(300, 410, 412), (301, 395, 401), (302, 428, 440), (290, 400, 400), (330, 400, 400)]
    flags = read_fpm(fpm(GHOST=plane((300, 400, spans))), FRAME)

    assert [tuple(place) for place in np.argwhere(flags == 256).tolist()] == [
        (0, 10), (0, 11), (0, 12), (1, 0), (1, 1), (2, 28), (2, 29),
    ]  # fmt: skip


def test_runs_that_overlap_are_one_mask(fpm):
    flags = read_fpm(fpm(OBJECT=plane((0, 0, [(1, 2, 6), (1, 4, 9), (1, 2, 6)]))), FRAME)

    assert np.flatnonzero(flags[1]).tolist() == list(range(2, 10))


def test_a_gzipped_file_is_the_same(fpm, tmp_path):
    path = fpm(SATUR=plane((0, 0, [(3, 5, 7)])))
    packed = tmp_path / "fpM.fit.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert is_fpm(packed)
    np.testing.assert_array_equal(read_fpm(packed, FRAME), read_fpm(path, FRAME))


def test_an_image_is_no_fpm(write):
    assert not is_fpm(write(np.zeros((4, 4))))


@pytest.mark.parametrize("other", [{"RUN": 95}, {"CAMCOL": 2}, {"FRAME": 13}, {"NAXIS1": 31}])
def test_the_mask_of_another_frame_is_refused(fpm, other):
    with pytest.raises(
        DataError, match=r"expected the mask of the image: RUN .* found RUN 94, CAMCOL 1, FIELD 12"
    ):
        read_fpm(fpm(), {**FRAME, **other})


def test_a_frame_that_does_not_say_which_it_is_takes_any(fpm):
    assert not read_fpm(fpm(), {}).any()


def test_other_planes_are_refused(fpm):
    with pytest.raises(DataError, match="expected 10 mask planes"):
        read_fpm(fpm(names=NAMES[:7]), FRAME)


def test_a_file_that_ends_early_is_refused(fpm):
    path = fpm(SATUR=plane((0, 0, [(3, 5, 7)])))
    path.write_bytes(path.read_bytes()[:-8000])

    with pytest.raises(DataError, match=str(path)):
        read_fpm(path, FRAME)


def test_runs_that_do_not_fit_their_number_are_refused(fpm):
    table = plane((0, 0, [(3, 5, 7), (4, 6, 6)]))
    table.data["nspan"] = 3

    with pytest.raises(DataError, match="expected 6 bytes a run of pixels, found 12 bytes for 3 runs"):
        read_fpm(fpm(SATUR=table), FRAME)
    with pytest.raises(DataError, match="from left to right"):
        read_fpm(fpm("other.fit", SATUR=plane((0, 0, [(3, 7, 5)]))), FRAME)


def test_masks_without_runs_are_empty(fpm):
    # Some real files list such masks, with a number of runs all the same.
    table = plane((0, 0, []), (0, 0, [(3, 5, 7)]))
    table.data["nspan"][0] = 4

    assert np.argwhere(read_fpm(fpm(SATUR=table), FRAME)).tolist() == [[3, 5], [3, 6], [3, 7]]


def test_masks_without_the_pixels_they_announce_are_said(fpm, caplog):
    table = plane((0, 0, [(3, 5, 7)]), (0, 0, [(4, 5, 7)]))
    table.data["npix"][1] = 9

    assert read_fpm(fpm(GHOST=table), FRAME).astype(bool).sum() == 6
    assert "1 of 2 masks have not the number of pixels that they announce" in caplog.text


def test_an_hdu_that_is_no_table_is_refused(fpm):
    with pytest.raises(DataError, match=r"\[3\]: expected a table, found ImageHDU"):
        read_fpm(fpm(NOTCHECKED=fits.ImageHDU(np.zeros((3, 3)))), FRAME)


def test_the_real_mask_lies_on_its_frame(shared_data, caplog):
    folder = shared_data / "sdss_run94_camcol1_field12"
    frame = read_image(folder / "frame-r-000094-1-0012.fits.bz2")
    flags = read_fpm(folder / "fpM-000094-r1-0012.fit", frame.header)
    interpolated, saturated, cosmic = ((flags >> bit & 1).astype(bool) for bit in (0, 1, 9))

    assert not caplog.text
    # npix of the file's tables.
    assert [int((flags >> bit & 1).sum()) for bit in (1, 3, 7)] == [523, 258832, 18018]
    # Interpolated pixels are the mean of their neighbours to the left and right, for whole columns, at exactly these.
    columns = np.flatnonzero(interpolated.mean(axis=0) > 0.9)
    single = [
        int(c) for c in columns if 2 <= c < 2046 and not {c - 1, c + 1, c - 2, c + 2} & set(columns.tolist())
    ]
    rough = _roughness(frame.data)
    assert len(single) >= 8
    for column in single:
        assert rough[column] < 0.7 * min(rough[column - 1], rough[column + 1])
    # Stars' cores are bright; the mask upside down lies on the sky.
    assert np.median(frame.data[saturated]) > 3
    assert np.median(frame.data[saturated[::-1]]) < 0.1
    # What was saturated, and cosmic rays, have been interpolated.
    assert (interpolated[saturated]).mean() > 0.95
    assert interpolated[cosmic].all()


def _roughness(image: np.ndarray) -> np.ndarray:
    """Scatter of each column about the mean of its neighbours, on the sky."""
    rough = np.full(image.shape[1], np.inf)
    apart = image[:, 1:-1] - (image[:, :-2] + image[:, 2:]) / 2
    rough[1:-1] = np.nanstd(np.where(np.abs(image[:, 1:-1]) < 0.15, apart, np.nan), axis=0)
    return rough
