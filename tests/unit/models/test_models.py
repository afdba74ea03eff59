"""Every registered network, by the registry; a network's own file has what is its alone."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from skymill.config.network import NetworkConfig
from skymill.errors import ConfigError
from skymill.models.build import build_network, count_parameters
from skymill.models.inputs import StampInputs
from skymill.models.registry import MODELS

OPTIONS = {
    get_args(option.model_fields["kind"].annotation)[0]: option
    for option in get_args(get_args(NetworkConfig)[0])
}
INPUT_PX, VALUES = 32, 4
MEASURING = [kind for kind, option in OPTIONS.items() if not option.gives_pictures]


def build(kind: str, **options):
    torch.manual_seed(0)
    if kind in MEASURING:
        return build_network(OPTIONS[kind](kind=kind, widths=(8, 12, 16), **options), VALUES, INPUT_PX)
    return build_network(OPTIONS[kind](kind=kind, **options), 0, INPUT_PX)


def stamps(n: int) -> StampInputs:
    generator = torch.Generator().manual_seed(1)
    image = 10 * torch.randn(n, INPUT_PX, INPUT_PX, generator=generator)
    brightness, condition = (
        5 * torch.rand(n, generator=generator) + 0.1,
        torch.rand(n, 2, generator=generator),
    )
    return StampInputs(image, brightness, condition)


def rows(inputs: StampInputs, chosen: slice) -> StampInputs:
    return StampInputs(*(part[chosen] for part in inputs))


def heads_at_random(network: torch.nn.Module) -> None:
    """Heads start at zero, which holds back what lies behind them."""
    for name, parameter in network.named_parameters():
        if name.endswith("head.weight"):
            torch.nn.init.normal_(parameter)


def test_every_network_has_options_and_the_other_way_round():
    assert MODELS.names() == sorted(OPTIONS)


def test_an_unknown_network_lists_the_known():
    with pytest.raises(ConfigError, match="one of: branched, branched_pictures, cnn, unet"):
        MODELS["resnet"]


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("kind", OPTIONS)
def test_shapes(kind: str, n: int):
    outputs = build(kind)(stamps(n))

    assert outputs.values.shape == (n, VALUES if kind in MEASURING else 0)
    if OPTIONS[kind].gives_masks:
        assert outputs.masks.shape == (n, 2, INPUT_PX, INPUT_PX)
        assert outputs.share.shape == (n, INPUT_PX, INPUT_PX)
    else:
        assert outputs.masks is None and outputs.share is None
    if OPTIONS[kind].gives_images or OPTIONS[kind].gives_pictures:
        assert outputs.layers.shape == (n, 2, INPUT_PX, INPUT_PX)
    else:
        assert outputs.layers is None


@pytest.mark.parametrize("kind", MEASURING)
def test_before_training_all_values_are_zero(kind: str):
    assert not build(kind)(stamps(2)).values.any()


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_parameter_gets_a_gradient(kind: str):
    network = build(kind)
    heads_at_random(network)
    sum(part.square().sum() for part in network(stamps(4)) if part is not None).backward()

    without = [
        name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert not without


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_stamps_result_does_not_depend_on_the_others(kind: str):
    network, many = build(kind), stamps(6)
    heads_at_random(network)
    with torch.inference_mode():
        together, alone = network(many), [network(rows(many, slice(row, row + 1))) for row in range(6)]

    for part, parts in zip(together, zip(*alone, strict=True), strict=True):
        if part is not None:
            # Sums are taken in another order for another batch size: float32 rounding.
            torch.testing.assert_close(part, torch.cat(parts), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", MEASURING)
def test_the_default_network_can_learn_a_batch_by_heart(kind: str):
    network, many = build(kind), stamps(8)
    target = torch.linspace(-1, 1, 8 * VALUES).reshape(8, VALUES)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = (network(many).values - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("kind", MEASURING)
def test_depth_adds_parameters(kind: str):
    assert count_parameters(build(kind, depth=1)) < count_parameters(build(kind, depth=2))
