"""CHECKSUM and DATASUM, as astropy computes them."""

import numpy as np
import pytest
from astropy.io import fits

from skymill.data.fits_sums import CHECKSUM, DATASUM, add_words, check_sums, encode, sum_header, words_sum
from skymill.errors import DataError


def make_hdu(seed: int, dtype: str = ">f4", shape: tuple[int, int] = (13, 11)) -> fits.ImageHDU:
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, (*shape, np.dtype(dtype).itemsize), dtype=np.uint8)
    return fits.ImageHDU(np.ascontiguousarray(data).view(dtype)[..., 0], name=f"H{seed}")


def padded(hdu: fits.ImageHDU) -> bytes:
    data = hdu.data.tobytes()
    return data + b"\0" * (-len(data) % 2880)


@pytest.mark.parametrize("dtype", [">f4", ">u1", ">i2"])
@pytest.mark.parametrize("seed", range(20))
def test_sums_are_those_of_astropy(seed, dtype):
    hdu = make_hdu(seed, dtype)
    datasum = words_sum(padded(hdu))
    sum_header(hdu.header, datasum)
    mine = hdu.header.copy()
    hdu.add_checksum()

    assert str(datasum) == hdu.header[DATASUM]
    hdu.header[DATASUM], hdu.header[CHECKSUM] = mine[DATASUM], mine[CHECKSUM]
    hdu.header.comments[DATASUM] = mine.comments[DATASUM]
    hdu.header.comments[CHECKSUM] = mine.comments[CHECKSUM]
    assert hdu.verify_datasum() == 1
    assert hdu.verify_checksum() == 1


def test_checksums_are_letters_and_digits():
    random = np.random.default_rng(1)
    for total in [0, 1, 2**32 - 1, *random.integers(0, 2**32, 500).tolist()]:
        assert encode(total).isalnum()
        assert len(encode(total)) == 16


def test_sums_of_pieces_are_those_of_the_whole():
    data = np.random.default_rng(2).bytes(4003)
    total, rest = 0, b""
    for start in range(0, len(data), 7):
        total, rest = add_words(rest + data[start : start + 7], total)

    assert words_sum(rest + b"\0", total) == words_sum(data + b"\0")


@pytest.fixture
def path(tmp_path):
    hdus = fits.HDUList([fits.PrimaryHDU(), make_hdu(1)])
    hdus.writeto(tmp_path / "image.fits", checksum=True)
    return tmp_path / "image.fits"


def check(path, with_pixels: bool = True) -> None:
    with fits.open(path) as hdus:
        check_sums(path, hdus, with_pixels)


@pytest.mark.filterwarnings("ignore")
def test_headers_are_checked_without_their_pixels(path):
    check(path)
    whole = path.read_bytes()
    place = len(whole) - 2880 + 17
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    check(path, with_pixels=False)
    with pytest.raises(DataError, match=r"image\.fits\[H1\]: expected the data as written"):
        check(path)

    for key in (b"DATASUM", b"CHECKSUM", b"EXTNAME"):
        place = whole.rindex(key) + 11
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError, match="expected the header as written"):
            check(path, with_pixels=False)


def test_files_without_sums_pass(tmp_path):
    make_hdu(1).writeto(tmp_path / "image.fits")

    check(tmp_path / "image.fits")
