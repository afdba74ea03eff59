"""Every registered network, by the registry; a network's own file has what is its alone."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from skymill.config.train import NetworkConfig
from skymill.errors import ConfigError
from skymill.models.build import build_network, count_parameters
from skymill.models.registry import MODELS

OPTIONS = {
    get_args(option.model_fields["kind"].annotation)[0]: option
    for option in get_args(get_args(NetworkConfig)[0])
}
INPUT_PX, CHANNELS, VALUES = 32, 3, 4


def build(kind: str, **options):
    torch.manual_seed(0)
    return build_network(OPTIONS[kind](kind=kind, widths=(8, 12, 16), **options), CHANNELS, VALUES, INPUT_PX)


def stamps(n: int) -> torch.Tensor:
    return torch.randn(n, CHANNELS, INPUT_PX, INPUT_PX, generator=torch.Generator().manual_seed(1))


def test_every_network_has_options_and_the_other_way_round():
    assert MODELS.names() == sorted(OPTIONS)


def test_an_unknown_network_lists_the_known():
    with pytest.raises(ConfigError, match="one of: cnn, unet"):
        MODELS["resnet"]


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("kind", OPTIONS)
def test_shapes(kind: str, n: int):
    outputs = build(kind)(stamps(n))

    assert outputs.values.shape == (n, VALUES)
    if OPTIONS[kind].gives_masks:
        assert outputs.masks.shape == (n, 2, INPUT_PX, INPUT_PX)
    else:
        assert outputs.masks is None


@pytest.mark.parametrize("kind", OPTIONS)
def test_before_training_all_values_are_zero(kind: str):
    assert not build(kind)(stamps(2)).values.any()


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_parameter_gets_a_gradient(kind: str):
    network = build(kind)
    # The heads start at zero, which holds back the gradients behind them.
    torch.nn.init.normal_(network.head.weight)
    outputs = network(stamps(4))
    loss = outputs.values.square().sum() + (0 if outputs.masks is None else outputs.masks.square().sum())
    loss.backward()

    without = [
        name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert not without


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_stamps_result_does_not_depend_on_the_others(kind: str):
    network, many = build(kind), stamps(6)
    torch.nn.init.normal_(network.head.weight)
    with torch.inference_mode():
        together, alone = network(many), [network(one[None]) for one in many]

    # Sums are taken in another order for another batch size: float32 rounding.
    torch.testing.assert_close(
        together.values, torch.cat([one.values for one in alone]), rtol=1e-4, atol=1e-4
    )
    if together.masks is not None:
        torch.testing.assert_close(
            together.masks, torch.cat([one.masks for one in alone]), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("kind", OPTIONS)
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


@pytest.mark.parametrize("kind", OPTIONS)
def test_depth_adds_parameters(kind: str):
    assert count_parameters(build(kind, depth=1)) < count_parameters(build(kind, depth=2))
