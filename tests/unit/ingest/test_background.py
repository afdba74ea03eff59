from __future__ import annotations

import numpy as np
import pytest

from skymill.config.ingest import IngestConfig
from skymill.ingest import background as module
from skymill.ingest.background import Background, measure_background

CONFIG = IngestConfig(background_box_px=32)


def noise(shape: tuple[int, int], rms: float = 2.0, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, rms, shape).astype(np.float32)


def measure(*given) -> Background:
    """The bands of an image as one."""
    parts = list(measure_background(*given))
    assert [part.rows.start for part in parts] == [0, *(part.rows.stop for part in parts[:-1])]
    level, rms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("level", "rms"))
    return Background(slice(0, parts[-1].rows.stop), level, rms)


def test_sky_and_noise_of_a_gradient_are_found():
    y, x = np.mgrid[:256, :256]
    sky = (100 + 0.05 * x + 0.02 * y).astype(np.float32)
    found = measure(sky + noise(sky.shape), np.zeros(sky.shape, dtype=bool), CONFIG)

    # A cell of 32 x 32 pixels gives the sky to 2 / 32 = 0.06 and the rms to 2 / sqrt(2) / 32 = 0.04; 6 sigma. In the
    # cells at the edge the filter sees one side only: half a cell of gradient, (0.05 + 0.02) x 16 = 1.1, on top.
    assert np.abs(found.level - sky)[32:-32, 32:-32].max() < 0.4
    assert np.abs(found.level - sky).max() < 1.4
    assert np.abs(np.median(found.rms) - 2.0) < 0.1


def test_sources_do_not_raise_the_sky():
    y, x = np.mgrid[:256, :256]
    image = noise((256, 256))
    for y0 in range(16, 256, 32):
        for x0 in range(16, 256, 32):
            image += 60 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 3.0**2))
    found = measure(image, np.zeros(image.shape, dtype=bool), CONFIG)

    # The sources' wings beyond their mask add 60 x 2 pi 9 / 32^2 = 3.3 to the mean of a cell; 5 % of that is left.
    assert abs(found.level.mean()) < 0.17
    assert np.abs(np.median(found.rms) - 2.0) < 0.15


def test_bad_pixels_are_left_out():
    image, bad = noise((128, 128)), np.zeros((128, 128), dtype=bool)
    bad[40:60, :] = True
    image[bad] = 1e6
    found = measure(image, bad, CONFIG)

    assert np.abs(found.level).max() < 0.5


def test_bands_of_a_tall_image_give_what_one_piece_gives(monkeypatch):
    image = noise((1500, 96)) + np.linspace(0, 50, 1500, dtype=np.float32)[:, None]
    bad = np.zeros(image.shape, dtype=bool)
    whole = measure(image, bad, CONFIG)
    monkeypatch.setattr(module, "BAND_CELLS", 6)
    banded = measure(image, bad, CONFIG)

    # The spline's memory: 0.27 a cell over 4 cells is 0.5 % of the error of a cell, 0.1.
    assert np.abs(banded.level - whole.level).max() < 1e-3
    assert np.abs(banded.rms - whole.rms).max() < 1e-3


@pytest.mark.parametrize("shape", [(20, 20), (33, 70)])
def test_images_smaller_than_a_cell_or_beside_its_size_work(shape):
    found = measure(noise(shape) + 10, np.zeros(shape, dtype=bool), CONFIG)

    assert found.level.shape == found.rms.shape == shape
    assert np.abs(found.level - 10).max() < 1.5


def test_a_constant_image_has_no_noise():
    flat = np.full((64, 64), 5.0, dtype=np.float32)

    assert (measure(flat, np.zeros(flat.shape, dtype=bool), CONFIG).rms == 0).all()
