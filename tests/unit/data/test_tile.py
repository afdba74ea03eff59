"""Tiles: whole on the disk, read where they are used, with the sky in the right place."""

import json
import mmap
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable, Sip
from numpy.testing import assert_allclose, assert_array_equal

from skymill.data.fits_sums import sum_header, words_sum
from skymill.data.tile import META_KEY, MaskBit, Tile, TileMeta, cutouts, release, scratch
from skymill.errors import DataError

META = TileMeta(
    tile_id="field-1",
    survey="sdss_r",
    band="r",
    pixel_scale_arcsec=0.396,
    zero_point_mag=22.5,
    gain_e_per_unit=989.5,
    saturation=None,
    psf_fwhm_px=3.4,
    psf_stars=12,
    version="0123456789",
)


def make_wcs(kind: str = "TAN", system: str = "ICRS") -> WCS:
    wcs = WCS(naxis=2)
    axes = ("GLON", "GLAT") if system == "GALACTIC" else ("RA--", "DEC-")
    wcs.wcs.ctype = [f"{axis}-{kind}" for axis in axes]
    wcs.wcs.crval, wcs.wcs.crpix = [336.5, -0.5], [20.5, 15.5]
    # Turned by 30 degrees, east to the left.
    turn, scale = np.radians(30), 0.396 / 3600
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if system not in ("ICRS", "GALACTIC"):
        wcs.wcs.radesys = system
    wcs.wcs.set()
    return wcs


def make_tile(shape: tuple[int, int] = (30, 40), wcs: WCS | None = None) -> Tile:
    random = np.random.default_rng(2)
    science = random.normal(size=shape).astype(np.float32)
    rms = random.uniform(0.9, 1.1, shape).astype(np.float32)
    mask = random.choice(np.array([0, 1, 2, 4, 7], dtype=np.uint8), shape)
    return Tile(science, rms, mask, wcs, META)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "tile.fits"


@pytest.mark.parametrize("wcs", [None, make_wcs()], ids=["no WCS", "WCS"])
def test_there_and_back(path, wcs):
    tile = make_tile(wcs=wcs)
    tile.write(path)
    again = Tile.read(path)

    assert again.meta == META
    for name in ("science", "rms", "mask"):
        assert_array_equal(getattr(again, name), getattr(tile, name))
        assert getattr(again, name).dtype.newbyteorder("=") == getattr(tile, name).dtype
    if wcs is None:
        assert again.wcs is None
    else:
        x, y = np.array([0.0, 39.0, 17.3]), np.array([0.0, 29.0, 3.9])
        # The header holds twelve digits of each number: 1e-9 degrees, some microarcseconds.
        assert_allclose(again.sky(x, y), tile.sky(x, y), atol=1e-9)


def test_the_file_is_plain_fits(path):
    make_tile(wcs=make_wcs()).write(path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "RMS", "MASK"]
        # Every image carries the WCS, so that any viewer shows positions on it.
        assert all(WCS(hdu.header).has_celestial for hdu in hdus[1:])


def test_other_programs_see_the_unit_of_the_original(path):
    tile = make_tile(wcs=make_wcs())
    tile = replace(tile, meta=replace(META, unit=2.0**-5))
    tile.write(path)

    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert_array_equal(hdus["SCI"].data, tile.science / 32)
        assert_array_equal(hdus["RMS"].data, tile.rms / 32)
        assert_array_equal(hdus["MASK"].data, tile.mask)
        assert hdus["SCI"].header["MAGZERO"] == pytest.approx(22.5 - 2.5 * np.log10(32))
    assert_array_equal(Tile.read(path).science, tile.science)


def test_the_same_tile_gives_the_same_bytes(path, tmp_path):
    make_tile(wcs=make_wcs()).write(path)
    make_tile(wcs=make_wcs()).write(tmp_path / "again.fits")

    assert path.read_bytes() == (tmp_path / "again.fits").read_bytes()


def test_distortions_stay(path):
    wcs = make_wcs("TAN-SIP")
    sip = np.zeros((3, 3))
    sip[2, 0] = 1e-4
    wcs.sip = Sip(sip, sip.T.copy(), None, None, wcs.wcs.crpix)
    tile = make_tile(wcs=wcs)
    tile.write(path)

    assert_allclose(Tile.read(path).sky([0.0], [0.0]), tile.sky([0.0], [0.0]), atol=1e-9)


def with_tables() -> WCS:
    """Tables of both kinds over the 30 by 40 pixels, uneven within a tenth of a pixel, beside SIP."""
    random, wcs = np.random.default_rng(4), make_wcs("TAN-SIP")
    cells = random.normal(scale=0.1, size=(2, 6, 6)).astype(np.float32)
    wcs.cpdis1, wcs.cpdis2 = (DistortionLookupTable(cell, (1, 1), (1, 1), (8, 6)) for cell in cells)
    columns = random.normal(scale=0.02, size=(1, 40)).astype(np.float32)
    wcs.det2im1 = DistortionLookupTable(columns, (1, 1), (1, 1), (1, 30))
    bend = np.zeros((3, 3))
    bend[2, 0] = 1e-5
    wcs.sip = Sip(bend, bend.T.copy(), None, None, wcs.wcs.crpix)
    return wcs


def with_pv() -> WCS:
    header = make_wcs("TPV").to_header(relax=True)
    header.update(
        {f"PV{axis}_{k}": v for axis in (1, 2) for k, v in {0: 1e-4, 1: 1.02, 4: 0.3, 7: 0.3}.items()}
    )
    return WCS(header)


@pytest.mark.parametrize("make", [with_tables, with_pv])
def test_the_whole_transform_stays(path, make):
    tile = make_tile(wcs=make())
    tile.write(path)
    again = Tile.read(path)
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[:30:3, :40:3])

    assert_allclose(again.sky(x, y), tile.sky(x, y), atol=1e-9, rtol=0)
    # What a header alone would hold is another place; then windows, and windows of windows, of what was read.
    assert np.abs(np.subtract(tile.sky(x, y), make_tile(wcs=make_wcs()).sky(x, y))).max() > 1e-6
    window = again.window(5, 25, 7, 39).window(1, 20, 2, 30)
    assert_allclose(window.sky(x - 9, y - 6), tile.sky(x, y), atol=1e-9, rtol=0)
    # A tile that was read is written again, as injections do.
    again.write(path.with_name("again.fits"))
    assert_allclose(Tile.read(path.with_name("again.fits")).sky(x, y), tile.sky(x, y), atol=1e-9, rtol=0)


def test_tables_of_distortions_are_plain_fits(path, tmp_path):
    make_tile(wcs=with_tables()).write(path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == [
            "PRIMARY",
            "SCI",
            "RMS",
            "MASK",
            "D2IMARR",
            "WCSDVARR",
            "WCSDVARR",
        ]
        # As any other program that knows such tables reads it.
        expected = WCS(hdus["SCI"].header, hdus).all_pix2world([3.0], [4.0], 0)
    assert_allclose(Tile.read(path).sky([3.0], [4.0]), expected, atol=1e-12)
    make_tile(wcs=with_tables()).write(tmp_path / "again.fits")
    assert path.read_bytes() == (tmp_path / "again.fits").read_bytes()


def test_pixels_are_read_when_they_are_used(path):
    make_tile().write(path)
    tile = Tile.read(path)

    assert isinstance(memory_of(tile.science), mmap.mmap)
    assert isinstance(memory_of(tile.window(2, 5, 3, 9).mask), mmap.mmap)


def memory_of(array: np.ndarray) -> object:
    """What a view of a view … is a view of."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array


def test_a_window_of_a_large_tile_takes_little_memory(path):
    """100 MB of science image on the disk, a window of 0.3 MB read: measured in a process of its own."""
    side = 5000
    Tile(*(np.ones((side, side), dtype) for dtype in (np.float32, np.float32, np.uint8)), None, META).write(
        path
    )
    code = (
        "import resource, sys\n"
        "from skymill.data.tile import Tile\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "window = Tile.read(sys.argv[1]).window(2400, 2600, 2000, 2400)\n"
        "assert float(window.science.sum() + window.rms.sum()) == 2 * 200 * 400\n"
        "sys.stdout.write(str(peak() - before))\n"
    )
    job = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)

    # The kernel maps whole pages and some ahead; the 225 MB of the file would show.
    assert int(job.stdout) / 1024 < 40


@pytest.mark.parametrize("system", ["ICRS", "FK5", "GALACTIC"])
def test_positions_are_icrs(system):
    wcs = make_wcs(system=system)
    tile = make_tile(wcs=wcs)
    x, y = np.array([19.5, 0.0]), np.array([14.5, 29.0])
    frame = {"ICRS": "icrs", "FK5": "fk5", "GALACTIC": "galactic"}[system]
    expected = SkyCoord(*wcs.all_pix2world(x, y, 0), frame=frame, unit="deg").icrs
    ra, dec = tile.sky(x, y)

    # A microarcsecond.
    assert_allclose(ra, expected.ra.deg, atol=3e-10)
    assert_allclose(dec, expected.dec.deg, atol=3e-10)


def test_pixels_are_counted_from_zero():
    ra, dec = make_tile(wcs=make_wcs()).sky(np.array([19.5]), np.array([14.5]))

    # CRPIX counts from 1, so CRPIX 20.5 is pixel 19.5.
    assert_allclose([ra[0], dec[0]], [336.5, -0.5], atol=1e-10)


def test_no_sky_without_a_wcs_and_for_nothing():
    ra, dec = make_tile().sky(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert np.isnan(ra).all()
    assert np.isnan(dec).all()

    ra, dec = make_tile(wcs=make_wcs()).sky(np.array([]), np.array([]))
    assert ra.shape == dec.shape == (0,)


def test_nan_positions_have_nan_coordinates():
    ra, dec = make_tile(wcs=make_wcs()).sky(np.array([np.nan, 1.0]), np.array([2.0, 1.0]))

    assert_array_equal(np.isnan(ra), [True, False])
    assert_array_equal(np.isnan(dec), [True, False])


def test_windows_keep_their_place_in_the_sky():
    tile = make_tile(wcs=make_wcs())
    window = tile.window(5, 25, 7, 39)

    assert window.shape == (20, 32)
    assert np.shares_memory(window.science, tile.science)
    assert_array_equal(window.mask, tile.mask[5:25, 7:39])
    assert_allclose(window.sky([0.0, 3.5], [0.0, 2.25]), tile.sky([7.0, 10.5], [5.0, 7.25]), atol=1e-12)
    assert make_tile().window(5, 25, 7, 39).wcs is None
    # A window of a window counts from the window.
    assert_allclose(window.window(1, 5, 2, 6).sky([0.0], [0.0]), tile.sky([9.0], [6.0]), atol=1e-12)


def test_images_of_different_shapes():
    with pytest.raises(DataError, match=r"tile field-1: expected three images of one 2-D shape"):
        Tile(
            np.zeros((3, 4), np.float32), np.ones((3, 5), np.float32), np.zeros((3, 4), np.uint8), None, META
        )
    with pytest.raises(DataError, match="2-D"):
        Tile(np.zeros(4, np.float32), np.ones(4, np.float32), np.zeros(4, np.uint8), None, META)


def without_mask(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        del hdus["MASK"]


def without_meta(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        del hdus["SCI"].header[META_KEY]


def with_other_meta(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].header[META_KEY] = '{"tile_id": "x"}'


@pytest.mark.parametrize(
    "spoil",
    [
        without_mask,
        without_meta,
        with_other_meta,
        Path.unlink,
        lambda path: path.write_text("not FITS"),
        lambda path: path.write_bytes(b""),
    ],
    ids=["no mask", "no facts", "other facts", "no file", "not FITS", "empty"],
)
def test_what_is_not_a_tile_is_refused(path, spoil):
    make_tile().write(path)
    spoil(path)
    with pytest.raises(DataError, match=r"tile\.fits: expected a tile written by skymill's ingest"):
        Tile.read(path)


# Astropy warns about it as well, which goes to the log.
@pytest.mark.filterwarnings("ignore:File may have been truncated", "ignore:Error validating header")
@pytest.mark.parametrize("size", [5_000, 100_000, 180_000])
def test_a_tile_that_was_cut_off_is_refused(path, size):
    make_tile((200, 200)).write(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"tile\.fits(\[\w+\])?: expected (a tile|the data as) written"):
        Tile.read(path)


def test_mask_bits_stay_as_files_have_them():
    assert [(bit.name, bit.value) for bit in MaskBit] == [("BAD", 1), ("SATURATED", 2), ("NO_DATA", 4)]


def cut_slowly(image: np.ndarray, x: float, y: float, size: int, fill: float) -> np.ndarray:
    """A cutout pixel by pixel, from the definition."""
    stamp = np.full((size, size), fill, dtype=image.dtype)
    for row in range(size):
        for column in range(size):
            source_y, source_x = round(y) - size // 2 + row, round(x) - size // 2 + column
            if 0 <= source_y < image.shape[0] and 0 <= source_x < image.shape[1]:
                stamp[row, column] = image[source_y, source_x]
    return stamp


@pytest.mark.parametrize("size", [1, 4, 7, 80])
@pytest.mark.parametrize("fill", [0.0, -9.0])
def test_cutouts_in_the_middle_at_edges_and_beyond(size, fill):
    image = make_tile().science
    x = np.array([20.0, 20.49, 20.5, 0.0, 39.0, -0.4, 39.4, -2.0, 45.0, 500.0])
    y = np.array([15.0, 15.51, 15.5, 0.0, 29.0, 29.4, -0.4, 10.0, 33.0, -500.0])
    found = cutouts(image, x, y, size, fill)

    assert found.shape == (10, size, size)
    assert_array_equal(
        found, [cut_slowly(image, *position, size, fill) for position in zip(x, y, strict=True)]
    )


def test_the_position_is_at_the_middle_pixel():
    image = np.zeros((30, 30), np.float32)
    image[11, 17] = 1
    (even,) = cutouts(image, [17.2], [10.8], 8)
    (odd,) = cutouts(image, [17.2], [10.8], 9)

    assert even[4, 4] == odd[4, 4] == 1


def test_cutouts_are_copies_in_native_order(path):
    make_tile().write(path)
    tile = Tile.read(path)
    found = cutouts(tile.science, [10.0], [10.0], 5)

    assert found.dtype == np.dtype("=f4")
    assert not np.shares_memory(found, tile.science)
    assert cutouts(tile.mask, [], [], 5).shape == (0, 5, 5)
    assert cutouts(tile.mask, [3.0], [3.0], 5).dtype == np.uint8


def test_a_tile_is_written_as_astropy_writes_it(tmp_path, monkeypatch):
    """Byte by byte, whatever is written at once."""
    monkeypatch.setattr("skymill.data.tile.BAND_ROWS", 7)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    random = np.random.default_rng(1)
    science, rms = random.normal(size=(2, 30, 41)).astype(np.float32)
    mask = random.integers(8, size=science.shape).astype(np.uint8)
    tile = Tile(science, rms, mask, wcs, TileMeta("t", "s", "r", 0.4, 25.0, 1.0, None, 3.0))
    tile.write(tmp_path / "tile.fits")
    header = wcs.to_header(relax=True)
    header["SKYMILL"] = json.dumps(asdict(tile.meta), sort_keys=True)
    images = {"SCI": science, "RMS": rms, "MASK": mask}
    hdus = [fits.ImageHDU(data, header=header, name=name) for name, data in images.items()]
    hdus.insert(0, fits.PrimaryHDU())
    for hdu in hdus:
        data = b"" if hdu.data is None else hdu.data.astype(hdu.data.dtype.newbyteorder(">")).tobytes()
        sum_header(hdu.header, words_sum(data + b"\0" * (-len(data) % 4)))
    fits.HDUList(hdus).writeto(tmp_path / "astropy.fits")

    assert (tmp_path / "tile.fits").read_bytes() == (tmp_path / "astropy.fits").read_bytes()


def test_what_is_released_is_read_again(tmp_path):
    science = np.arange(12, dtype=np.float32).reshape(3, 4)
    made = Tile(
        science, science + 1, science.astype(np.uint8), None, TileMeta("t", "s", "r", 1, 1, 1, None, 1)
    )
    made.write(tmp_path / "tile.fits")
    tile = Tile.read(tmp_path / "tile.fits")
    before = [np.array(image) for image in (tile.science, tile.rms, tile.mask)]
    tile.release()

    for image, wanted in zip((tile.science, tile.rms, tile.mask), before, strict=True):
        assert np.array_equal(image, wanted)
    assert np.array_equal(tile.window(0, 2, 1, 3).science, science[:2, 1:3])


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("kind", ["scratch", "tile"])
def test_released_images_take_no_memory_and_keep_their_values(tmp_path, kind):
    image = scratch((4096, 2048))
    image[...] = 3.0
    if kind == "tile":
        mask = np.zeros(image.shape, dtype=np.uint8)
        Tile(image, image, mask, None, TileMeta("t", "s", "r", 1, 1, 1, None, 1)).write(
            tmp_path / "tile.fits"
        )
        image = Tile.read(tmp_path / "tile.fits").science
    image.sum()
    before = resident_bytes()
    release(image[10:, 5:])

    assert before - resident_bytes() > 0.9 * image.nbytes
    assert (image == 3.0).all()


@pytest.mark.filterwarnings("ignore")
def test_a_flipped_bit_never_gives_another_tile(path):
    make_tile((15, 13), make_wcs()).write(path)
    whole, silent = path.read_bytes(), []
    for bit in range(3, 8 * len(whole), 211):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            Tile.read(path)
        except DataError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:
            silent.append(bit)

    assert silent == []


def test_astropy_finds_the_sums_right(path):
    make_tile(wcs=make_wcs()).write(path)
    with fits.open(path, checksum=True) as hdus:
        for hdu in hdus:
            hdu.verify()
            assert (hdu.header["DATASUM"], len(hdu.header["CHECKSUM"])) != ("", 0)


def test_tiles_of_the_time_before_checksums_are_read(path, tmp_path):
    make_tile(wcs=make_wcs()).write(path)
    with fits.open(path) as hdus:
        for hdu in hdus:
            del hdu.header["DATASUM"], hdu.header["CHECKSUM"]
        hdus.writeto(tmp_path / "old.fits")

    assert_array_equal(Tile.read(tmp_path / "old.fits").science, Tile.read(path).science)
