from __future__ import annotations

import pytest
import torch

from skymill.config.train import CriticConfig
from skymill.models.critic import Critic, adversarial_loss, critic_loss


def build(**options) -> Critic:
    torch.manual_seed(0)
    return Critic(CriticConfig(widths=(6, 8), **options))


def images(n: int, size: int = 32, seed: int = 1) -> torch.Tensor:
    return 20 * torch.rand(n, 2, size, size, generator=torch.Generator().manual_seed(seed))


def test_it_judges_patches():
    assert build()(images(3)[:, 0], images(3)).shape == (3, 1, 8, 8)


def test_it_judges_as_many_images_as_it_was_built_for():
    critic = Critic(CriticConfig(widths=(6, 8)), layers=1)

    assert critic(images(3)[:, 0], images(3)[:, :1]).shape == (3, 1, 8, 8)
    with pytest.raises(RuntimeError):
        critic(images(3)[:, 0], images(3))


def test_a_verdict_is_of_its_own_patch():
    critic, layers = build().eval(), images(1)
    other = layers.clone()
    other[:, :, :8, :8] += 50.0
    blend = layers.sum(dim=1)
    first, second = (critic(blend, given)[0, 0] for given in (layers, other))

    assert not torch.allclose(first[0, 0], second[0, 0])
    assert torch.equal(first[4:, 4:], second[4:, 4:])


def test_the_blend_is_a_condition_of_the_verdict():
    critic, layers = build().eval(), images(2)

    assert not torch.allclose(critic(layers[:, 0], layers), critic(layers[:, 1], layers))


def test_its_slope_is_bounded():
    """Each layer's largest singular value is 1, so that the verdicts cannot rise faster than the compressed images."""
    critic = build()
    for _ in range(50):
        critic(images(2)[:, 0], images(2))
    for layer in critic.layers[::2]:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        assert float(largest) == pytest.approx(1.0, abs=0.02)


def test_the_hinge_loss_of_known_verdicts():
    true, drawn = torch.tensor([2.0, 1.0, -1.0]), torch.tensor([-3.0, 0.5])

    # Verdicts beyond 1 on the right side cost nothing: (0 + 0 + 2) / 3 and (0 + 1.5) / 2.
    assert float(critic_loss(true, drawn)) == pytest.approx(2 / 3 + 0.75)
    assert float(adversarial_loss(drawn)) == pytest.approx(1.25)


def test_it_learns_to_tell_noisy_images_from_smooth_ones():
    torch.manual_seed(0)
    critic = Critic(CriticConfig(widths=(16, 16)))
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.99))
    smooth = torch.full((8, 2, 32, 32), 200.0)
    blend = smooth.sum(dim=1)
    # Rounding differs between processors, and with it the way: after 100 steps the loss can still be 1.2.
    for _ in range(250):
        loss = critic_loss(critic(blend, smooth), critic(blend, 20 * images(8)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    # 2 is what it costs to know nothing.
    assert float(loss.detach()) < 1.0
