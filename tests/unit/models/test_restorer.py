from __future__ import annotations

import pytest
import torch

from skymill.config.restorer import RestorerNetConfig
from skymill.models.inputs import StampInputs
from skymill.models.restorer import Restorer

SMALL = RestorerNetConfig(widths=(8, 12), root_blocks=1, branch_blocks=1)


def inputs_of(n: int = 3, size: int = 32, psf: float = 0.5) -> StampInputs:
    image = 20 * torch.randn(n, size, size, generator=torch.Generator().manual_seed(3))
    return StampInputs(image, torch.full((n,), 5.0), torch.tensor([psf, 2.0]).expand(n, 2))


@pytest.fixture
def network():
    torch.manual_seed(1)
    return Restorer(SMALL, psf_fwhm_px=3.0).eval()


@pytest.mark.parametrize("size", [32, 48])
def test_it_gives_one_image_a_stamp_and_nothing_else(network, size):
    outputs = network(inputs_of(size=size))

    assert outputs.layers.shape == (3, 1, size, size) and outputs.values.shape == (3, 0)
    assert (outputs.layers >= 0).all() and torch.isfinite(outputs.layers).all()


def test_everything_in_it_learns(network):
    network.train()(inputs_of()).layers.square().mean().backward()

    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in network.parameters())


def test_it_looks_at_the_conditions(network):
    first, second = (network(inputs_of(psf=psf)).layers for psf in (0.0, 0.8))

    assert not torch.allclose(first, second)


def weigh(network: Restorer, which: int) -> None:
    """Let a network give one of its candidates: the drawing, the degraded image, the filtered ones."""
    with torch.no_grad():
        network.maps.weight.zero_()
        network.maps.bias.zero_()
        network.maps.bias.view(-1, 4)[1 + which] = 50.0


@torch.no_grad()
def test_what_it_gives_may_be_the_image_itself_or_its_deconvolution(network):
    inputs = inputs_of(psf=0.0)
    weigh(network, 1)
    itself = network(inputs).layers[:, 0]
    # At the survey's own PSF there is nothing to undo.
    weigh(network, 3)
    filtered = network(inputs).layers[:, 0]

    assert torch.allclose(itself, inputs.image.clamp(min=0), atol=1e-5)
    assert torch.allclose(filtered, inputs.image.clamp(min=0), atol=1e-4)
    weigh(network, 3)
    assert not torch.allclose(network(inputs_of(psf=0.8)).layers[:, 0], itself, atol=1.0)
    weigh(network, 0)
    assert float(network(inputs).layers.max()) < 0.1


def test_brightness_beyond_any_camera_stays_finite(network):
    inputs = inputs_of()
    with torch.no_grad():
        network.maps.bias.view(-1, 4)[0] = 1e4
    assert torch.isfinite(network(inputs._replace(image=1e9 * inputs.image)).layers).all()
