from __future__ import annotations

import math

import pytest
import torch

from skymill.tasks.losses import (
    EMPTY_RMS,
    FLUX_LOSSES,
    LEAST_SCALE,
    MASK_LOSSES,
    misplaced_light,
    scale_of,
)


def minimum(name: str, true: torch.Tensor, scale: float = 0.2) -> float:
    """The constant prediction that minimises a loss over `true`, on a grid of 0.01."""
    grid = torch.arange(-1.5, 1.5, 0.01)
    losses = [
        FLUX_LOSSES[name](torch.full_like(true, value), torch.full_like(true, scale), true).mean()
        for value in grid
    ]
    return float(grid[int(torch.stack(losses).argmin())])


def test_names():
    assert FLUX_LOSSES.names() == ["laplace", "log_l1", "mape"]
    assert MASK_LOSSES.names() == ["bce", "bce_dice", "dice"]


# An uneven spread: the median is 0, the mean is not.
SPREAD = torch.cat([torch.linspace(-0.1, 0.0, 50), torch.linspace(0.0, 1.0, 50)])


@pytest.mark.parametrize("name", ["laplace", "log_l1"])
def test_the_median_is_learned(name: str):
    assert minimum(name, SPREAD) == pytest.approx(0.0, abs=0.021)


def test_mape_is_below_the_median():
    wide = torch.linspace(-1.0, 1.0, 201)

    assert minimum("mape", wide) < minimum("log_l1", wide) - 0.1


@pytest.mark.parametrize("name", ["laplace", "log_l1", "mape"])
def test_the_scale_is_learned_with_every_loss(name: str):
    random = torch.distributions.Laplace(0.0, 0.3)
    torch.manual_seed(0)
    true = random.sample((20000,))
    scales = torch.arange(0.1, 0.6, 0.01)
    losses = [
        FLUX_LOSSES[name](torch.zeros_like(true), torch.full_like(true, float(scale)), true).mean()
        for scale in scales
    ]

    assert float(scales[int(torch.stack(losses).argmin())]) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("name", ["log_l1", "mape"])
def test_the_scale_does_not_act_on_the_location(name: str):
    gradients = []
    for scale in (0.01, 1.0):
        predicted = torch.tensor([0.3], requires_grad=True)
        FLUX_LOSSES[name](predicted, torch.tensor([scale]), torch.tensor([0.0])).sum().backward()
        gradients.append(float(predicted.grad))

    assert gradients[0] == gradients[1] != 0


def test_mape_is_the_relative_error_of_the_flux():
    true, predicted = torch.log(torch.tensor([100.0])), torch.log(torch.tensor([130.0]))
    scale = torch.tensor([0.5])
    rest = 0.05 * ((predicted - true).abs() / scale + torch.log(2 * scale))

    assert float(FLUX_LOSSES["mape"](predicted, scale, true) - rest) == pytest.approx(0.3, rel=1e-4)


def test_mape_far_off_has_a_finite_slope():
    predicted = torch.tensor([100.0], requires_grad=True)
    FLUX_LOSSES["mape"](predicted, torch.tensor([0.5]), torch.tensor([0.0])).sum().backward()

    assert float(predicted.grad) == pytest.approx(math.e**3, rel=1e-5)


def test_scales_are_positive_and_finite():
    raw = torch.tensor([-1e4, 0.0, 1e4])
    scales = scale_of(raw)

    assert float(scales[0]) == pytest.approx(LEAST_SCALE) and torch.isfinite(scales).all()


@pytest.mark.parametrize("name", MASK_LOSSES.names())
def test_right_masks_cost_nothing_and_wrong_ones_do(name: str):
    masks = torch.zeros(2, 2, 8, 8)
    masks[:, 0, 2:5, 2:5] = 1.0  # the neighbour's mask is empty
    logits = 40 * masks - 20

    assert float(MASK_LOSSES[name](logits, masks)) == pytest.approx(0.0, abs=1e-3)
    assert float(MASK_LOSSES[name](-logits, masks)) > 0.9


def light_of(*pixels: float) -> torch.Tensor:
    """One row of pixels: (1, 1, n)."""
    return torch.tensor(pixels).reshape(1, 1, -1)


def test_the_true_share_misplaces_nothing():
    central, neighbours = light_of(1e5, 3e5, 0.0), light_of(0.0, 1e5, 1e5)
    share = central / (central + neighbours + EMPTY_RMS)

    assert misplaced_light(share, central, neighbours).tolist() == [0.0]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        # Of 500: all but the pixel that both share; a tenth of each pixel; half of the pixel that both share.
        ((0.0, 0.5, 1.0), 300 / 500),
        ((0.9, 0.4, 0.1), 50 / 500),
        ((1.0, 1.0, 0.0), 100 / 500),
    ],
)
def test_misplaced_light_is_the_part_that_goes_to_the_wrong_galaxy(share, expected):
    central, neighbours = light_of(1e5, 1e5, 0.0), light_of(0.0, 1e5, 2e5)
    misplaced = misplaced_light(light_of(*share), central, neighbours)

    assert float(misplaced) == pytest.approx(expected, rel=1e-4)


def test_blank_sky_belongs_to_nobody():
    nothing = torch.zeros(1, 4, 4)
    taken, left = (misplaced_light(torch.full((1, 4, 4), share), nothing, nothing) for share in (1.0, 0.0))

    assert (float(taken), float(left)) == (1.0, 0.0)


def test_a_pixel_of_half_an_rms_is_half_the_galaxys():
    light, nothing = torch.full((1, 4, 4), EMPTY_RMS), torch.zeros(1, 4, 4)

    assert misplaced_light(torch.full((1, 4, 4), 0.5), light, nothing).tolist() == [0.0]


def test_the_ringing_of_noise_free_stamps_below_zero_is_no_light():
    central, neighbours = light_of(100.0, -1.0, -3.0), light_of(0.0, 0.5, -3.0)
    share = light_of(100 / (100 + EMPTY_RMS), 0.0, 0.0)

    assert misplaced_light(share, central, neighbours).tolist() == [0.0]


def test_each_stamp_counts_by_itself():
    central = torch.stack([light_of(1e5, 1e5)[0], light_of(1e2, 1e2)[0]])
    share = torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])
    misplaced = misplaced_light(share, central, torch.zeros_like(central))

    assert misplaced.shape == (2,)
    assert misplaced[0] < 1e-4 and misplaced[1] > 0.98
