from __future__ import annotations

import numpy as np
import pytest

from skymill.errors import DataError
from skymill.ingest import noise as module
from skymill.ingest.noise import NOISE_KINDS, rms_from, typical


@pytest.mark.parametrize(("kind", "value"), [("rms", 0.5), ("variance", 0.25), ("inverse_variance", 4.0)])
def test_every_kind_gives_the_rms(kind, value):
    rms, bad = rms_from(np.full((4, 4), value, dtype=np.float32), kind, 0.5, "file")

    np.testing.assert_allclose(rms, 0.5)
    assert rms.dtype == np.float32
    assert not bad.any()


@pytest.mark.parametrize("kind", NOISE_KINDS.names())
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_few_unusable_pixels_are_marked_and_filled(kind, value):
    noise = np.ones((4, 4), dtype=np.float32)
    noise[1, 2] = value
    rms, bad = rms_from(noise, kind, 0.5, "file")

    assert np.argwhere(bad).tolist() == [[1, 2]]
    np.testing.assert_array_equal(rms, 1.0)


def test_many_unusable_pixels_are_an_error():
    noise = np.zeros((4, 4), dtype=np.float32)
    noise[0] = 1.0
    rms_from(noise, "rms", 0.75, "file")
    with pytest.raises(DataError, match=r"file as rms: .*75\.0% zero, negative or not finite"):
        rms_from(noise, "rms", 0.5, "file")
    with pytest.raises(DataError, match=r"100\.0%"):
        rms_from(np.zeros((4, 4), dtype=np.float32), "inverse_variance", 1.0, "file")


def test_the_typical_value_of_a_large_image_comes_from_a_grid(monkeypatch):
    image = np.random.default_rng(0).normal(5.0, 1.0, (300, 300)).astype(np.float32)
    exact = typical(image)
    monkeypatch.setattr(module, "MEDIAN_PIXELS", 1000)

    assert exact == np.median(image)
    # 1,000 pixels give the median to 1.25 / sqrt(1,000) = 0.04.
    assert typical(image) == pytest.approx(exact, abs=0.16)
    good = np.zeros(image.shape, dtype=bool)
    good[1, 1] = True  # not on the grid
    assert typical(image, good) == image[1, 1]
