from __future__ import annotations

import bz2
import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymill.data.fits_image import read_image, verify_sha256
from skymill.errors import DataError

IMAGE = np.arange(12, dtype=np.float32).reshape(3, 4)


def packed(path: Path, how: str) -> Path:
    """A second file with the first one's bytes, packed."""
    other = path.with_name(f"packed.fits.{how}")
    other.write_bytes({"gz": gzip.compress, "bz2": bz2.compress}[how](path.read_bytes()))
    return other


@pytest.mark.parametrize("how", ["gz", "bz2"])
def test_packed_files_are_read_like_plain_ones(write, how):
    plain = write(IMAGE)

    np.testing.assert_array_equal(read_image(packed(plain, how)).data, IMAGE)
    np.testing.assert_array_equal(read_image(plain).data, IMAGE)


def test_tile_compressed_files_are_read(tmp_path):
    path = tmp_path / "image.fits.fz"
    data = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, name="SCI")]).writeto(path)

    image = read_image(path)
    np.testing.assert_array_equal(image.data, data)
    assert image.where == f"{path}[SCI]"


@pytest.mark.parametrize("dtype", ["uint8", ">i2", ">i4", ">f4", ">f8", "uint16", "int64"])
def test_every_number_type_becomes_native_float32(write, dtype):
    image = read_image(write(IMAGE.astype(dtype)))
    scaled = image.scaled(4.0)

    assert scaled.dtype == np.dtype("float32")
    assert scaled.dtype.isnative
    assert scaled.flags.c_contiguous
    np.testing.assert_array_equal(image.data, IMAGE)
    np.testing.assert_array_equal(scaled, 4 * IMAGE)


def test_scaled_integers_with_blanks_become_values_and_nan(tmp_path):
    hdu = fits.PrimaryHDU(np.array([[1, 2], [3, -99]], dtype=np.int16))
    path = tmp_path / "image.fits"
    hdu.writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -99})

    np.testing.assert_array_equal(read_image(path).data, [[10.5, 11.0], [11.5, np.nan]])


def test_the_only_two_dimensional_image_is_taken_unless_an_hdu_is_named(write):
    path = write(None, np.zeros(5), IMAGE, (IMAGE + 1, fits.Header({"EXTNAME": "SCI"})), np.zeros((2, 3, 4)))

    with pytest.raises(DataError, match=r"expected one 2-D image.*found 2 images: .*3 'SCI' image 2-D"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, others=["SCI"]).data, IMAGE)
    np.testing.assert_array_equal(read_image(path, others=[2]).data, IMAGE + 1)
    np.testing.assert_array_equal(read_image(path, 3).data, IMAGE + 1)
    np.testing.assert_array_equal(read_image(path, "SCI").data, IMAGE + 1)


def test_numbers_beyond_float32_become_infinite(write):
    image = read_image(write(np.full((2, 2), 1e300)))

    assert np.isinf(image.scaled()).all()
    np.testing.assert_array_equal(image.scaled(1e-290), np.float32(1e10))


@pytest.mark.parametrize("how", ["plain", "gz", "bz2", "fz"])
def test_an_image_larger_than_its_file_is_refused_before_memory_is_taken(write, tmp_path, how):
    path = tmp_path / "image.fits"
    if how == "fz":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(IMAGE)]).writeto(path)
    else:
        path = write(IMAGE)
    content, key = path.read_bytes(), b"ZNAXIS%d " if how == "fz" else b"NAXIS%d  "
    for axis, side in ((1, 4), (2, 3)):
        old = key % axis + b"= " + b"%20d" % side
        assert old in content
        content = content.replace(old, key % axis + b"= " + b"%20d" % 2_000_000)
    path.write_bytes(content)
    path = path if how in ("plain", "fz") else packed(path, how)

    with pytest.raises(DataError, match=r"bytes of pixels, as NAXIS1, NAXIS2 and BITPIX say"):
        read_image(path)


TABLE = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])])


@pytest.mark.parametrize(
    ("images", "hdu", "message"),
    [
        ([IMAGE], 7, r"expected an HDU 7, found 0 'PRIMARY' image 2-D"),
        ([IMAGE], "SCI", r"expected an HDU 'SCI'"),
        ([None, TABLE], 1, r"\[1\]: expected an image, found a table"),
        ([None, TABLE], None, r"expected an HDU with a 2-D image"),
        ([np.zeros(5)], None, r"expected a 2-D image, found a 1-D one of shape \(5,\)"),
        ([np.zeros((2, 3, 4))], None, r"found a 3-D one of shape \(2, 3, 4\)"),
        ([None], 0, r"expected a 2-D image, found a 0-D one"),
    ],
)
def test_the_wrong_hdu_is_named(write, images, hdu, message):
    path = write(*images)

    with pytest.raises(DataError, match=message) as caught:
        read_image(path, hdu)
    assert str(path) in str(caught.value)


def test_an_image_without_pixels_is_refused(tmp_path):
    cards = [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 0), ("NAXIS2", 4)]
    path = tmp_path / "empty.fits"
    path.write_bytes(fits.Header(cards).tostring().encode())

    with pytest.raises(DataError, match=r"expected an image with pixels, found shape \(4, 0\)"):
        read_image(path)


@pytest.mark.parametrize("how", ["plain", "gz", "bz2"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_files_are_refused(write, how, part):
    path = write(np.random.default_rng(0).normal(size=(200, 200)))
    path = path if how == "plain" else packed(path, how)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])

    with pytest.raises(DataError, match="expected a whole FITS file") as caught:
        read_image(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"not a FITS file at all" * 200, b"\x1f\x8b not gzip", b"BZh9 not bzip2"]
)
def test_what_is_not_fits_is_refused(tmp_path, content):
    path = tmp_path / "image.fits"
    path.write_bytes(content)

    with pytest.raises(DataError, match="expected a whole FITS file"):
        read_image(path)


def test_checksums_are_verified(write):
    path = write(IMAGE)
    right = hashlib.sha256(path.read_bytes()).hexdigest()

    verify_sha256(path, right)
    verify_sha256(path, None)
    with pytest.raises(DataError, match=f"expected sha256 {'0' * 64}, found sha256 {right}"):
        verify_sha256(path, "0" * 64)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing\.fits: expected a file, found none"):
        verify_sha256(tmp_path / "missing.fits", None)
    with pytest.raises(DataError, match=r"missing\.fits"):
        read_image(tmp_path / "missing.fits")


def test_integers_keep_all_bits_and_the_primary_header_is_given(write):
    flags = np.array([[1 << 30, (1 << 30) + 1]], dtype=np.int32)
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "HST", "INSTRUME": "ACS"}))
    path = write(primary, (flags, fits.Header({"INSTRUME": "other"})))
    image = read_image(path)

    assert image.data.dtype == np.dtype(">i4")
    np.testing.assert_array_equal(image.data, flags)
    assert (image.primary["TELESCOP"], image.header["INSTRUME"]) == ("HST", "other")
    assert image.where == f"{path}[1]"


def test_an_hdu_that_says_not_what_it_is_is_refused(write):
    path = write(fits.PrimaryHDU(), fits.ImageHDU(IMAGE, name="MASK"))
    content = path.read_bytes()
    start = content.index(b"XTENSION")
    path.write_bytes(content[:start] + b"XTENSI8N" + content[start + 8 :])

    with pytest.raises(DataError, match=r"\[MASK\]: expected an image, found an HDU"):
        read_image(path, "MASK")


def test_more_axes_than_the_standard_has_are_refused_at_once(tmp_path):
    path = tmp_path / "axes.fits"
    fits.writeto(path, np.zeros((4, 4), np.float32))
    path.write_bytes(
        path.read_bytes().replace(b"NAXIS   =                    2", b"NAXIS   =             99999999", 1)
    )

    with pytest.raises(DataError, match="NAXIS = 99999999"):
        read_image(path)


@pytest.mark.parametrize("card", [b"BUNIT   = 0.?4\x0b\x16Y", b"BUNIT   = 1\x00"])
def test_a_card_that_cannot_be_read_is_left_out_and_said(tmp_path, caplog, card):
    path = tmp_path / "a.fits"
    fits.writeto(path, np.ones((4, 5), np.float32), fits.Header({"BUNIT": "nJy", "FILTER": "r"}))
    content = path.read_bytes()
    at = content.index(b"BUNIT")
    path.write_bytes(content[:at] + card.ljust(80) + content[at + 80 :])
    image = read_image(path)
    assert image.data.shape == (4, 5)
    assert image.header["FILTER"] == "r"
    assert "BUNIT" not in image.header
    assert "the card 'BUNIT' is left out" in caplog.text
