from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skymill.config.train import AugmentConfig
from skymill.training.augment import (
    Augment,
    Draws,
    as_they_are,
    draw,
    place,
    stretch,
    unpack_masks,
    warp,
    window_px,
)

INPUT_PX = 16
EXACT = AugmentConfig(shift_px=1)


def draws_of(n: int, **changes: torch.Tensor) -> Draws:
    """Draws that change nothing, but for `changes`."""
    zeros = torch.zeros(n)
    nothing = Draws(zeros.long(), zeros.bool(), torch.zeros(n, 2).long(), zeros + 1, zeros, zeros)
    return replace(nothing, **changes)


def random_windows(n: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


def round_galaxy(size: int, sigma: float = 2.0, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    """A Gaussian of unit flux at (x, y) from the middle pixel: (1, 1, size, size)."""
    offset = torch.arange(size) - size // 2
    squared = (offset[:, None] - y) ** 2 + (offset[None, :] - x) ** 2
    return (torch.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2))[None, None].float()


def test_without_draws_the_middle_is_cut_out():
    windows = random_windows(3, 19)
    cut = place(windows, draws_of(3), INPUT_PX)

    # The middle pixel of a window (9) comes to pixel 8 = INPUT_PX // 2.
    assert torch.equal(cut, windows[:, :, 1:17, 1:17])


@pytest.mark.parametrize("turns", range(4))
def test_turns_are_those_of_numpy(turns: int):
    windows = random_windows(1, 19)
    cut = place(windows, draws_of(1, turns=torch.tensor([turns])), INPUT_PX)
    # With y upwards a counter-clockwise turn is numpy's with the axes (1, 0) exchanged.
    expected = np.rot90(windows[0, 0].numpy(), turns, axes=(1, 0))

    np.testing.assert_array_equal(cut[0, 0].numpy(), expected[1:17, 1:17])


def test_flip_mirrors_in_x():
    windows = random_windows(1, 19)
    cut = place(windows, draws_of(1, flip=torch.tensor([True])), INPUT_PX)

    assert torch.equal(cut[0, 0], windows[0, 0].flip(1)[1:17, 1:17])


@pytest.mark.parametrize(("turns", "flip"), [(0, False), (1, False), (2, True), (3, True)])
def test_the_galaxy_is_where_the_shift_says(turns: int, flip: bool):
    windows = torch.zeros(1, 1, 21, 21)
    windows[0, 0, 10, 10] = 1.0
    shift = torch.tensor([[1, -2]])
    moved = place(
        windows, draws_of(1, turns=torch.tensor([turns]), flip=torch.tensor([flip]), shift=shift), INPUT_PX
    )

    assert moved[0, 0].nonzero().tolist() == [[8 + 1, 8 - 2]]


def test_masks_move_with_the_image():
    augment = Augment(EXACT, INPUT_PX, seed=3)
    image = random_windows(32, window_px(INPUT_PX, EXACT))
    bits = (image > 0).to(torch.uint8) | ((image < -1).to(torch.uint8) << 1)
    batch = augment({"image": image, "masks": bits, "flux": torch.ones(32, 1)}, epoch=0, batch=0)

    assert not torch.equal(batch.image, place(image, draws_of(32), INPUT_PX))
    assert torch.equal(batch.masks[:, 0], (batch.image[:, 0] > 0).float())
    assert torch.equal(batch.masks[:, 1], (batch.image[:, 0] < -1).float())


def test_masks_stretch_with_the_galaxies():
    config = AugmentConfig(rotate=True, zoom=(0.9, 1.1), shift_px=0)
    size = window_px(INPUT_PX, config)
    galaxies = 1e3 * torch.cat([round_galaxy(size, 3.0, x, y) for x, y in [(0, 0), (4, 2), (-3, 5)]])
    windows = {"image": galaxies, "galaxies": galaxies, "flux": torch.ones(3, 1)}
    windows["masks"] = (galaxies > 5).to(torch.uint8)
    batch = Augment(config, INPUT_PX, seed=1)(windows, epoch=0, batch=0)
    differing = (batch.masks[:, 0] != (batch.image[:, 0] > 5).float()).float().mean()

    # Surface brightness is kept, so the threshold still draws the mask, but for pixels on its border.
    assert differing < 0.02


@pytest.mark.parametrize("zoom", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("angle", [0.0, 30.0, 200.0])
@pytest.mark.parametrize("sigma", [1.3, 3.0])
def test_stretching_multiplies_the_flux_by_the_zoom_squared(zoom: float, angle: float, sigma: float):
    windows = round_galaxy(65, sigma=sigma, x=2.0)
    stretched = stretch(windows, draws_of(1, zoom=torch.tensor([zoom]), angle=torch.tensor([angle])))

    assert float(stretched.sum()) == pytest.approx(windows.sum().item() * zoom**2, rel=1e-5)
    # The peak lies between pixels after a turn, which lowers that of a PSF of 3 px by up to 14 %.
    assert float(stretched.max()) == pytest.approx(float(windows.max()), rel=0.15)


def test_rotation_is_counter_clockwise_with_y_upwards():
    windows = round_galaxy(65, sigma=2.0, x=10.0)
    turned = stretch(windows, draws_of(1, angle=torch.tensor([90.0])))
    y, x = divmod(int(turned.argmax()), 65)

    assert (x - 32, y - 32) == (0, 10)


def test_zoom_leaves_the_noise_as_it_is():
    config = AugmentConfig(zoom=(1.1, 1.1), shift_px=0, quarter_turns=False, flip=False)
    size = window_px(INPUT_PX, config)
    galaxies, noise = 100 * round_galaxy(size), random_windows(1, size)
    windows = {"image": galaxies + noise, "galaxies": galaxies, "flux": torch.tensor([[100.0]])}
    batch = Augment(config, INPUT_PX, seed=1)(windows, epoch=0, batch=0)
    expected = place(noise + stretch(galaxies, draws_of(1, zoom=torch.tensor([1.1]))), draws_of(1), INPUT_PX)

    torch.testing.assert_close(batch.image, expected, atol=1e-4, rtol=0)
    assert float(batch.flux) == pytest.approx(121.0, rel=1e-5)


def test_added_noise_becomes_the_unit():
    config = AugmentConfig(added_noise_rms=(1.0, 1.0))
    windows = {"image": random_windows(64, window_px(INPUT_PX, config)), "flux": torch.full((64, 1), 10.0)}
    batch = Augment(config, INPUT_PX, seed=1)(windows, epoch=0, batch=0)

    # 16,384 pixels: their standard deviation is known to 0.6 %.
    assert float(batch.image.std()) == pytest.approx(1.0, abs=0.02)
    torch.testing.assert_close(batch.flux, torch.full((64, 1), 10.0 / 2**0.5))


def test_draws_are_keyed_by_epoch_and_batch():
    same, again = (draw(EXACT, 16, seed=1, epoch=2, batch=3) for _ in range(2))
    other = draw(EXACT, 16, seed=1, epoch=2, batch=4)

    assert torch.equal(same.turns, again.turns) and torch.equal(same.shift, again.shift)
    assert not torch.equal(same.turns, other.turns)
    assert set(same.shift.flatten().tolist()) == {-1, 0, 1}


def test_options_that_are_off_draw_nothing():
    nothing = draw(AugmentConfig(quarter_turns=False, flip=False, shift_px=0), 8, seed=1, epoch=0, batch=0)

    assert not nothing.turns.any() and not nothing.flip.any() and not nothing.shift.any()
    assert (nothing.zoom == 1).all() and not nothing.angle.any() and not nothing.noise.any()


@pytest.mark.parametrize(
    "config",
    [EXACT, AugmentConfig(shift_px=3), AugmentConfig(rotate=True), AugmentConfig(zoom=(0.8, 1.2))],
)
def test_windows_are_large_enough(config: AugmentConfig):
    size = window_px(INPUT_PX, config)
    draws = draw(config, 64, seed=2, epoch=0, batch=0)
    ones = torch.ones(64, 1, size, size)
    placed = place(warp(ones, draws) if config.resamples else ones, draws, INPUT_PX)

    assert size % 2 == 1
    # Nothing from beyond the window (0) has come in.
    torch.testing.assert_close(placed, torch.ones(64, 1, INPUT_PX, INPUT_PX), atol=1e-5, rtol=0)


def test_mask_bits_become_masks():
    bits = torch.tensor([[[[0, 1], [2, 3]]]], dtype=torch.uint8)
    masks = unpack_masks({"masks": bits})

    assert masks.tolist() == [[[[0, 1], [0, 1]], [[0, 0], [1, 1]]]]
    assert unpack_masks({}) is None


def test_validation_is_not_augmented():
    image = random_windows(2, INPUT_PX + 1)
    batch = as_they_are({"image": image, "flux": torch.ones(2, 1)}, INPUT_PX)

    assert torch.equal(batch.image, place(image, draws_of(2), INPUT_PX))
