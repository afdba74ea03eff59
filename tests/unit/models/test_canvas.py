from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import gammainc

from skymill.models.canvas import Canvas, elongation

SIDE, EXTENT = 64, 12.0


@pytest.fixture(scope="module")
def canvas():
    return Canvas(SIDE, EXTENT)


def gaussian(canvas: Canvas, sigma: float) -> torch.Tensor:
    """Log surface brightness of a round Gaussian, sigma in half-light radii."""
    return (-0.5 * canvas.place.pow(2).sum(dim=-1) / sigma**2)[None]


def test_a_canvas_of_flux_1_holds_all_light(canvas):
    light = canvas.normalised(gaussian(canvas, 0.8))

    assert (torch.exp(light) * canvas.area).sum().item() == pytest.approx(1, abs=1e-5)
    # The middle of a Gaussian of flux 1 is 1 / (2 pi sigma²): the areas of the pixels are right.
    middle = canvas.sample(light, torch.zeros(1, 1, 1, 2)).item()
    assert middle == pytest.approx(1 / (2 * np.pi * 0.64), rel=0.01)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 2.0])
def test_the_half_light_radius_of_a_gaussian(canvas, sigma):
    found = canvas.half_light_radius(gaussian(canvas, sigma)).item()

    assert found == pytest.approx(sigma * np.sqrt(2 * np.log(2)), rel=0.03)


def test_the_baseline_has_its_half_light_radius_at_1(canvas):
    # A Sersic profile of index 2 that ends at 12 radii lacks 1 - P(4, b sqrt(12)) of its light.
    lost = 1 - gammainc(4, 3.672 * np.sqrt(EXTENT))
    found = canvas.half_light_radius(canvas.normalised(canvas.baseline[None])).item()

    assert lost < 0.01
    assert found == pytest.approx(1, abs=0.03)


def test_sampling_follows_the_profile_from_the_cusp_to_the_wings(canvas):
    light = -2.0 * canvas.place.norm(dim=-1).sqrt()[None]
    radius = torch.tensor([0.2, 0.7, 1.5, 4.0])
    place = torch.stack([radius, torch.zeros(4)], dim=-1)[None, None]
    found = canvas.sample(light, place)[0, 0]

    assert torch.allclose(torch.log(found), -2.0 * radius.sqrt(), atol=0.02)


def test_beyond_its_extent_a_galaxy_has_no_light(canvas):
    place = torch.tensor([[[[EXTENT * 1.01, 0.0], [0.0, -3 * EXTENT]]]])

    assert canvas.sample(canvas.baseline[None], place).abs().max().item() == 0


@pytest.mark.parametrize(("latent", "angle"), [((2.0, 0.0), 0.0), ((0.0, 2.0), 45.0), ((-2.0, 0.0), 90.0)])
def test_elongation_keeps_the_area_and_turns_by_half_the_angle(latent, angle):
    matrix = elongation(torch.tensor([latent]))[0].double().numpy()
    lengths, axes = np.linalg.eigh(matrix)
    found = np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180

    assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-5)
    assert lengths[0] / lengths[1] == pytest.approx(np.exp(-0.6 * 2), rel=1e-4)
    assert found == pytest.approx(angle, abs=0.01)


def test_no_elongation_has_a_gradient():
    latent = torch.zeros(1, 2, requires_grad=True)
    elongation(latent).sum().backward()

    assert torch.isfinite(latent.grad).all()
