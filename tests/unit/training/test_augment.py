from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skymill.config.train import AugmentConfig
from skymill.training.augment import (
    SIGMA_TO_FWHM,
    Augment,
    Draws,
    blur,
    draw,
    place,
    planes,
    stretch,
    unchanged,
    warp,
    window_px,
)
from skymill.training.share import Share, Stream

INPUT_PX, PSF_FWHM_PX = 16, 3.0
EXACT = AugmentConfig(shift_px=1)
STILL = AugmentConfig(shift_px=0, quarter_turns=False, flip=False)


def draws_of(n: int, **changes: torch.Tensor) -> Draws:
    """Draws that change nothing, but for `changes`."""
    widest = float(changes["psf"].max()) if "psf" in changes else 1.0
    return replace(unchanged(n), **changes, widest=widest)


def augment_of(config: AugmentConfig, *, is_noisy: bool = False, seed: int = 1) -> Augment:
    """Augmentation to 16 px, with white noise or none."""

    def noise(light: torch.Tensor, stream: Stream) -> torch.Tensor:
        return light + stream.normal(light.shape) * is_noisy

    return Augment(config, INPUT_PX, seed, noise, PSF_FWHM_PX, 1.0)


def windows_of(central: torch.Tensor, neighbours: torch.Tensor | None = None, flux: float = 1.0) -> dict:
    """What ComposedBlends gives."""
    neighbours = torch.zeros_like(central) if neighbours is None else neighbours
    return {"central": central, "neighbours": neighbours, "flux": torch.full((len(central), 1), flux)}


def width_px(light: torch.Tensor) -> torch.Tensor:
    """Standard deviation along x of light (b, 1, y, x) about its centre: (b,)."""
    offset = torch.arange(light.shape[-1], dtype=torch.float64)
    profile = light.double().sum(dim=(1, 2))  # (b, x)
    total = profile.sum(dim=1)
    mean = (profile * offset).sum(dim=1) / total
    return ((profile * offset**2).sum(dim=1) / total - mean**2).sqrt()


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


def test_layers_move_with_the_image():
    central, neighbours = (random_windows(32, window_px(INPUT_PX, EXACT, 3.0), seed) for seed in (0, 1))
    batch = augment_of(EXACT, seed=3)(windows_of(central, neighbours), epoch=0, batch=0)

    assert not torch.equal(batch.central, place(central, draws_of(32), INPUT_PX))
    torch.testing.assert_close(batch.image, batch.central + batch.neighbours)
    assert torch.equal(batch.masks(INPUT_PX)[:, 0], (batch.central[:, 0] > 1).float())
    assert torch.equal(batch.masks(INPUT_PX)[:, 1], (batch.neighbours[:, 0] > 1).float())


def test_layers_stretch_with_the_galaxies():
    config = AugmentConfig(rotate=True, zoom=(0.9, 1.1), shift_px=0)
    size = window_px(INPUT_PX, config, PSF_FWHM_PX)
    central, neighbours = (1e3 * round_galaxy(size, 3.0, x, y) for x, y in [(0, 0), (4, 2)])
    batch = augment_of(config)(windows_of(central, neighbours), epoch=0, batch=0)
    draws = draw(config, 1, seed=1, epoch=0, batch=0)

    torch.testing.assert_close(batch.central, place(stretch(central, draws), draws, INPUT_PX))
    torch.testing.assert_close(batch.image, batch.central + batch.neighbours)
    zoomed = float(draws.zoom**2)
    torch.testing.assert_close(batch.flux, torch.full((1, 1), zoomed))
    assert zoomed != 1.0


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


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(zoom=(1.3, 1.3), rotate=True),
        AugmentConfig(psf_fwhm_ratio=(1.5, 1.5)),
        AugmentConfig(added_noise_rms=(0.7, 0.7)),
    ],
)
def test_noise_is_never_interpolated(config: AugmentConfig):
    size = window_px(INPUT_PX, config, PSF_FWHM_PX)
    batch = augment_of(config, is_noisy=True)(windows_of(torch.zeros(256, 1, size, size)), epoch=0, batch=0)
    noise = batch.image[:, 0]

    # 65,536 pixels: deviations are known to 0.3 %, correlations to 0.4 %.
    assert float(noise.std()) == pytest.approx(1.0, abs=0.015)
    assert float((noise[:, :, 1:] * noise[:, :, :-1]).mean()) == pytest.approx(0.0, abs=0.02)


def test_added_noise_becomes_the_unit():
    config = AugmentConfig(added_noise_rms=(1.0, 1.0))
    size = window_px(INPUT_PX, config, PSF_FWHM_PX)
    light = torch.full((64, 1, size, size), 3.0)
    batch = augment_of(config, is_noisy=True)(windows_of(light, flux=10.0), epoch=0, batch=0)
    noise = batch.image - 3.0 / 2**0.5

    # 16,384 pixels: their standard deviation is known to 0.6 %.
    assert float(noise.std()) == pytest.approx(1.0, abs=0.03)
    torch.testing.assert_close(batch.flux, torch.full((64, 1), 10.0 / 2**0.5))
    torch.testing.assert_close(batch.central, torch.full((64, 1, 16, 16), 3.0 / 2**0.5))
    # The threshold stays where it was on the galaxy.
    torch.testing.assert_close(batch.mask_threshold, torch.full((64,), 1.0 / 2**0.5))
    torch.testing.assert_close(batch.condition, torch.tensor([[0.0, 0.5]]).expand(64, 2))


@pytest.mark.parametrize("ratio", [1.0, 1.02, 1.3, 2.0])
@pytest.mark.parametrize("sigma", [1.3, 3.0])
def test_blur_keeps_the_flux_and_adds_widths_in_quadrature(ratio: float, sigma: float):
    light = round_galaxy(81, sigma=sigma)
    blurred = blur(light, draws_of(1, psf=torch.tensor([ratio])), PSF_FWHM_PX)
    added = PSF_FWHM_PX / SIGMA_TO_FWHM * (ratio**2 - 1) ** 0.5

    assert float(blurred.sum()) == pytest.approx(float(light.sum()), rel=1e-4)
    # Kernels of a fraction of a pixel are not sampled well: the widths are those of a Gaussian within 3 %.
    assert float(width_px(blurred)) == pytest.approx(np.hypot(float(width_px(light)), added), rel=0.03)


def test_a_point_source_blurred_has_the_wider_psf():
    """That of a Gaussian survey: no other test of the ratio's meaning is needed."""
    psf = round_galaxy(61, sigma=PSF_FWHM_PX / SIGMA_TO_FWHM)
    wider = blur(psf, draws_of(1, psf=torch.tensor([1.6])), PSF_FWHM_PX)
    expected = round_galaxy(61, sigma=1.6 * PSF_FWHM_PX / SIGMA_TO_FWHM)

    torch.testing.assert_close(wider, expected, rtol=0, atol=0.01 * float(expected.max()))


def test_each_stamp_is_blurred_by_its_own_width():
    light = round_galaxy(41).repeat(3, 1, 1, 1)
    ratios = torch.tensor([1.0, 1.4, 2.0])
    together = blur(light, draws_of(3, psf=ratios), PSF_FWHM_PX)
    alone = [blur(light[:1], draws_of(1, psf=ratios[row : row + 1]), PSF_FWHM_PX) for row in range(3)]

    # Narrow kernels are cut off farther out beside a wide one, where there is hardly any of them left.
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-6)
    assert torch.equal(together[0], light[0])


def test_the_network_is_told_how_much_wider_the_psf_is():
    config = AugmentConfig(psf_fwhm_ratio=(1.0, 2.0), added_noise_rms=(0.0, 1.0))
    size = window_px(INPUT_PX, config, PSF_FWHM_PX)
    batch = augment_of(config)(windows_of(torch.zeros(50, 1, size, size)), epoch=3, batch=2)
    draws = draw(config, 50, seed=1, epoch=3, batch=2)

    torch.testing.assert_close(batch.condition[:, 0], torch.log2(draws.psf))
    torch.testing.assert_close(batch.condition[:, 1], 0.5 * torch.log2(1 + draws.noise**2))
    assert (
        batch.condition.min() >= 0 and batch.condition[:, 0].max() <= 1 and batch.condition[:, 1].max() <= 0.5
    )


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
    assert (nothing.psf == 1).all()


@pytest.mark.parametrize(
    "config",
    [
        EXACT,
        AugmentConfig(shift_px=3),
        AugmentConfig(rotate=True),
        AugmentConfig(zoom=(0.8, 1.2)),
        AugmentConfig(psf_fwhm_ratio=(1.0, 1.8)),
        AugmentConfig(psf_fwhm_ratio=(1.0, 1.8), rotate=True, zoom=(0.8, 1.2)),
    ],
)
def test_windows_are_large_enough(config: AugmentConfig):
    size = window_px(INPUT_PX, config, PSF_FWHM_PX)
    draws = draw(config, 64, seed=2, epoch=0, batch=0)
    light = torch.ones(64, 1, size, size)
    light = warp(light, draws) if config.resamples else light
    light = blur(light, draws, PSF_FWHM_PX) if config.psf_fwhm_ratio[1] > 1 else light
    placed = place(light, draws, INPUT_PX)

    assert size % 2 == 1
    # Nothing from beyond the window (0) has come in.
    torch.testing.assert_close(placed, torch.ones(64, 1, INPUT_PX, INPUT_PX), atol=1e-4, rtol=0)


def test_validation_is_neither_moved_nor_blurred():
    config = AugmentConfig(psf_fwhm_ratio=(1.5, 2.0), added_noise_rms=(1.0, 1.0), zoom=(0.8, 1.2), shift_px=2)
    central, neighbours = (random_windows(2, INPUT_PX + 1, seed) for seed in (0, 1))
    batch = augment_of(config).as_they_are(windows_of(central, neighbours, flux=7.0), batch=0)

    assert torch.equal(batch.central, place(central, draws_of(2), INPUT_PX))
    assert torch.equal(batch.neighbours, place(neighbours, draws_of(2), INPUT_PX))
    assert batch.flux.tolist() == [[7.0], [7.0]] and not batch.condition.any()
    assert torch.equal(batch.image, batch.central + batch.neighbours)


def test_noise_is_keyed_by_epoch_and_batch_and_validations_by_batch():
    augment = augment_of(STILL, is_noisy=True)
    windows = windows_of(torch.zeros(4, 1, INPUT_PX + 1, INPUT_PX + 1))
    made = {key: augment(windows, *key).image for key in [(0, 0), (0, 1), (1, 0)]} | {
        key: augment.as_they_are(windows, *key).image for key in [(0,), (1,)]
    }

    assert torch.equal(made[0, 1], augment(windows, 0, 1).image)
    assert torch.equal(made[1,], augment.as_they_are(windows, 1).image)
    images = list(made.values())
    assert not any(torch.equal(a, b) for row, a in enumerate(images) for b in images[:row])


def test_planes_are_standard_normal_in_level_and_rise():
    image = torch.zeros(4000, 1, 9, 11)
    made = planes(image, Stream(torch.Generator().manual_seed(3)))
    assert made.shape == image.shape
    level, rise_y, rise_x = (
        made[:, 0, 4, 5],
        made[:, 0, -1, 5] - made[:, 0, 4, 5],
        made[:, 0, 4, -1] - made[:, 0, 4, 5],
    )
    for part in (level, rise_y, rise_x):
        assert float(part.mean()) == pytest.approx(0.0, abs=0.06)
        assert float(part.std()) == pytest.approx(1.0, abs=0.04)
    # A plane: the second differences vanish.
    assert float(made.diff(n=2, dim=-1).abs().max()) < 1e-5


@pytest.mark.parametrize("count", [2, 3])
def test_a_row_is_the_same_in_any_process(count):
    config = AugmentConfig(
        psf_fwhm_ratio=(1.0, 2.0), added_noise_rms=(0.0, 1.0), background_rms=0.3, zoom=(0.8, 1.2)
    )
    augment = augment_of(config, is_noisy=True)
    windows = windows_of(random_windows(5, window_px(INPUT_PX, config, PSF_FWHM_PX)))
    parts = [Share(rank, count).part(5) for rank in range(count)]
    shared = [({name: values[part.rows] for name, values in windows.items()}, part) for part in parts]
    made = {
        "training": ([augment(own, 3, 7, part) for own, part in shared], augment(windows, 3, 7)),
        "validation": (
            [augment.as_they_are(own, 7, part) for own, part in shared],
            augment.as_they_are(windows, 7),
        ),
    }

    for side, (batches, whole) in made.items():
        for name, wanted in vars(whole).items():
            found = torch.cat([getattr(batch, name) for batch in batches])
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5, msg=f"{side}: {name}")
