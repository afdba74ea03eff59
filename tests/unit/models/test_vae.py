from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.config.generator import VaeConfig
from skymill.models.vae import Seen, Vae, fitted

SMALL = {
    "latent": 4,
    "widths": (8, 8),
    "dense": 16,
    "canvas_px": 32,
    "canvas_widths": (8, 8, 8, 8),
    "components": 2,
}
SIDE = 32


@pytest.fixture(scope="module")
def network():
    """Untrained: it draws Sersic profiles of index 2 through a Gaussian PSF of 1.5 px."""
    torch.manual_seed(1)
    made = Vae(VaeConfig(**SMALL), SIDE)
    axis = (torch.arange(made.psf.shape[0]) - made.psf.shape[0] // 2) / 2
    psf = torch.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 1.5**2)
    made.psf.copy_(psf / psf.sum())
    return made.eval()


def draw(network, re_px, offset=(0.0, 0.0), shape=(0.0, 0.0), flux=100.0, size=SIDE):
    latent = torch.zeros(1, 4)
    latent[0, :2] = torch.tensor(shape)
    with torch.no_grad():
        image = network.decode(
            latent, torch.tensor([flux]), torch.tensor([re_px]), torch.tensor([offset]), size
        )
    return image[0, 0].double().numpy()


def moments(image):
    y, x = np.indices(image.shape) - image.shape[0] // 2
    total = image.sum()
    cx, cy = (image * x).sum() / total, (image * y).sum() / total
    return cx, cy, (image * (x - cx) ** 2).sum() / total, (image * (y - cy) ** 2).sum() / total


@pytest.mark.parametrize("re_px", [0.05, 0.3, 1.0, 2.0])
def test_a_galaxy_has_the_flux_that_was_asked_for(network, re_px):
    # Smaller than a point of the grid or larger; what is missing lies outside of the stamp.
    assert draw(network, re_px, size=64).sum() == pytest.approx(100, rel=0.01)


def test_light_that_lies_outside_is_missing(network):
    assert draw(network, 16.0).sum() < 60


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.37, -0.21), (-0.5, 0.5)])
def test_a_galaxy_lies_where_it_was_asked_for(network, offset):
    cx, cy, *_ = moments(draw(network, 1.0, offset))

    assert (cx, cy) == pytest.approx(offset, abs=0.01)


def test_a_tiny_galaxy_is_the_psf(network):
    image = draw(network, 0.01)
    y, x = np.indices(image.shape) - SIDE // 2
    psf = 100 * np.exp(-0.5 * (x**2 + y**2) / 2.25) / (2 * np.pi * 2.25)

    np.testing.assert_allclose(image, psf, atol=2e-3 * psf.max())


def test_elongation_and_angle(network):
    _, _, wide, high = moments(draw(network, 1.5, shape=(1.5, 0.0), size=64))
    assert wide > 1.5 * high
    tilted = draw(network, 1.5, shape=(0.0, 1.5), size=64)
    y, x = np.indices(tilted.shape) - 32
    assert (tilted * x * y).sum() > 0


def test_a_larger_stamp_shows_the_same_galaxy(network):
    small, large = draw(network, 0.7), draw(network, 0.7, size=64)

    np.testing.assert_allclose(large[16:48, 16:48], small, atol=2e-3 * small.max())


def test_encoding_needs_no_decoder_and_knows_the_noise(network):
    image, ones = torch.rand(3, 1, SIDE, SIDE), torch.ones(3)
    seen = Seen(image, ones, 50 * ones, 2 * ones, torch.zeros(3, 2))
    outputs = network(seen, torch.zeros(3, 4))
    deeper = network(seen._replace(noise=0.1 * ones), torch.zeros(3, 4))

    assert outputs.mean.shape == (3, 4) and outputs.model.shape == image.shape
    assert outputs.guess.offset.shape == (3, 2)
    assert not torch.allclose(outputs.mean, deeper.mean)


def test_mixed_precision_moves_nothing(network):
    latent, ones = torch.zeros(1, 4), torch.ones(1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = network.decode(latent, 100 * ones, 2 * ones, torch.tensor([[0.3, -0.2]]), SIDE)[0, 0]
    exact = draw(network, 2.0, (0.3, -0.2))

    assert rough.dtype == torch.float32
    np.testing.assert_allclose(rough.numpy(), exact, atol=0.01 * exact.max())


def test_the_middle_stays_the_middle():
    image = torch.zeros(6, 6)
    image[3, 3] = 1.0

    assert fitted(image, 10)[5, 5] == 1 and fitted(image, 4)[2, 2] == 1
    assert fitted(image, 9)[4, 4] == 1 and fitted(image, 5)[2, 2] == 1


def test_everything_that_is_learned_has_a_gradient(network):
    ones = torch.ones(2)
    seen = Seen(torch.rand(2, 1, SIDE, SIDE), ones, 50 * ones, 2 * ones, torch.zeros(2, 2))
    outputs = network(seen, torch.ones(2, 4))
    (
        outputs.model.sum()
        + outputs.mean.sum()
        + outputs.log_variance.sum()
        + sum(part.sum() for part in outputs.guess)
    ).backward()

    lacking = [name for name, value in network.named_parameters() if value.grad is None]
    assert not lacking
    assert torch.isfinite(torch.cat([value.grad.flatten() for value in network.parameters()])).all()
    network.zero_grad()
