"""What is the branched network's alone: two images in linear light, and what the galaxy's says of the flux."""

from __future__ import annotations

import pytest
import torch

from skymill.config.network import BranchedConfig
from skymill.models.branched import Branched
from skymill.models.inputs import StampInputs

SMALL = {
    "widths": (4, 8),
    "root_widths": (4, 8),
    "root_blocks": 1,
    "branch_blocks": 1,
    "rings": 8,
    "angles": 8,
}


def build(input_px: int = 32, **options) -> Branched:
    torch.manual_seed(0)
    return Branched(BranchedConfig(kind="branched", dense=8, **SMALL, **options), 2, input_px)


def inputs(n: int, size: int = 32) -> StampInputs:
    image = 20 * torch.randn(n, size, size, generator=torch.Generator().manual_seed(1))
    return StampInputs(image, torch.linspace(1, 50, n), torch.zeros(n, 2))


def trusting(network: Branched, logit: float) -> Branched:
    """Both branches draw the first guess everywhere and trust the blend with the same logit."""
    for branch in network.branches:
        torch.nn.init.zeros_(branch.maps.weight)
        # Of each pixel of the halved map the first four numbers are the drawing, the others the trust.
        branch.maps.bias.data = torch.tensor([0.0] * 4 + [logit] * 4)
    return network


def first_guess() -> float:
    """Light that is drawn before anything is learned, background rms: a fraction of one."""
    guess = trusting(build(conserves=False), 0.0)(inputs(1)).layers
    assert guess.min() == guess.max()
    return float(guess[0, 0, 0, 0].detach())


def test_images_are_never_negative():
    assert (build()(inputs(4)).layers >= 0).all()


def test_the_first_guess_is_a_faint_sky():
    assert 0 < first_guess() < 0.1


def test_where_the_blend_is_trusted_all_of_its_light_is_given_out():
    given, guess = inputs(3), first_guess()
    central, neighbours = trusting(build(), 30.0)(given).layers.detach().unbind(dim=1)
    lit = given.image > guess

    # Each gets what the other's drawing leaves.
    torch.testing.assert_close(central[lit], given.image[lit] - guess)
    torch.testing.assert_close(neighbours[lit], given.image[lit] - guess)
    assert not central[~lit].any()


def test_where_it_is_not_the_images_are_what_is_drawn():
    layers = trusting(build(), -30.0)(inputs(3)).layers

    torch.testing.assert_close(layers, torch.full_like(layers, first_guess()))


def test_one_branch_that_draws_right_leaves_the_other_the_rest():
    """If the neighbours are drawn as they are and the galaxy's branch trusts the blend, light is conserved."""
    given, network = inputs(2), build()
    given = given._replace(image=given.image.abs() + 5.0)
    network = trusting(network, 30.0)
    network.branches[1].maps.bias.data[4:] = -30.0
    layers = network(given).layers

    torch.testing.assert_close(layers.sum(dim=1), given.image)


def test_without_conservation_the_blend_is_not_looked_at_again():
    network = trusting(build(conserves=False), 30.0)
    layers = network(inputs(2)).layers

    torch.testing.assert_close(layers, torch.full_like(layers, first_guess()))


def test_light_has_a_bound():
    network = trusting(build(conserves=False), 0.0)
    network.branches[0].maps.bias.data[:4] = 1e6

    assert torch.isfinite(network(inputs(1)).layers).all()


@pytest.mark.parametrize(("inner_px", "expected"), [(16, 16), (64, 32)])
def test_the_middle_of_the_stamp_is_drawn(inner_px: int, expected: int):
    assert build(inner_px=inner_px)(inputs(2)).layers.shape == (2, 2, expected, expected)


def test_the_flux_is_said_by_the_galaxys_image_alone():
    """Another drawing of the neighbours changes what the number is worth, not the number."""
    network, given = build(), inputs(3)
    for head in (network.head, network.polar.head):
        torch.nn.init.normal_(head.weight)
    layers = network(given).layers.detach()
    brighter = torch.stack([layers[:, 0], 100 * layers[:, 1] + 10], dim=1)
    first, second = network._values(given, layers), network._values(given, brighter)

    assert torch.equal(first[:, 0], second[:, 0])
    assert not torch.allclose(first[:, 1], second[:, 1])


def test_the_numbers_do_not_bend_the_images():
    network = build()
    torch.nn.init.normal_(network.polar.head.weight)
    network(inputs(3)).values.square().sum().backward()

    assert network.polar.head.weight.grad.any()
    assert all(parameter.grad is None for parameter in network.branches.parameters())


def test_the_stages_hold_every_parameter_once():
    network = build()
    held = [id(parameter) for stage in network.stages for parameter in stage.parameters()]

    assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())
