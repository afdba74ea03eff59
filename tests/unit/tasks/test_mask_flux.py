from __future__ import annotations

import pytest
import torch

from skymill.errors import ConfigError
from skymill.models.outputs import Outputs


def masks_of(shared_rows: int) -> torch.Tensor:
    """A central mask of 20 rows × 10 px and a neighbour's that covers some of its rows."""
    masks = torch.zeros(1, 2, 32, 32)
    masks[0, 0, :20, :10] = 1.0
    masks[0, 1, 20 - shared_rows :, :10] = 1.0
    return masks


def outputs_of(masks: torch.Tensor, share: float = 0.5) -> Outputs:
    """Sure of the masks (logits of -10 and 10), with the same share everywhere."""
    return Outputs(torch.zeros(len(masks), 2), 20 * masks - 10, torch.full_like(masks[:, 0], share))


def test_without_weights_it_is_the_flux_alone(make_task, make_batch, galaxies):
    """What has no weight is not even computed: not finite, it would spoil sum and gradients."""
    image, flux = galaxies(torch.tensor([1e4])), torch.tensor([[2e4]])
    values = torch.zeros(1, 2, requires_grad=True)
    broken = torch.full((1, 2, 32, 32), torch.nan)
    task, alone = make_task("mask_flux", mask_weight=0, share_weight=0), make_task("flux")
    batch = make_batch(image, flux)
    loss = task.loss(Outputs(values, broken, broken[:, 0]), batch)
    loss.backward()

    assert float(loss.detach()) == float(alone.loss(Outputs(values.detach()), batch))
    assert bool(values.grad.isfinite().all())


@pytest.mark.parametrize("size_px", [32, 20])
def test_wrong_masks_cost_what_their_weight_says(make_task, make_batch, galaxies, size_px: int):
    image, flux, masks = galaxies(torch.tensor([1e4])), torch.tensor([[1e4]]), masks_of(3)
    # Light of 5 rms in each mask, of which the threshold of 1 rms makes the masks again.
    batch = make_batch(image, flux, 5 * masks[:, :1], 5 * masks[:, 1:])
    start = 16 - size_px // 2
    middle = masks[..., start : start + size_px, start : start + size_px]
    costs = []
    for weight in (0.0, 1.0, 2.0):
        task = make_task("mask_flux", mask_weight=weight)
        costs.append(float(task.loss(outputs_of(1 - middle), batch) - task.loss(outputs_of(middle), batch)))

    # With logits of ±10 each pixel's cross-entropy differs by 10.
    assert costs == pytest.approx([0.0, 10.0, 20.0], abs=1e-4)


def test_misplaced_light_costs_what_its_weight_says(make_task, make_batch, galaxies):
    flux = torch.tensor([[1e6]])
    central, neighbours = galaxies(flux[:, 0], sigma=4.0), galaxies(flux[:, 0], sigma=4.0, x=1.0)
    batch = make_batch(central + neighbours, flux, central, neighbours)
    masks = torch.zeros(1, 2, 32, 32)
    right = (central / (central + neighbours + 0.5))[:, 0]
    costs = []
    for weight in (0.0, 1.0, 3.0):
        task = make_task("mask_flux", share_weight=weight)
        wrong, best = (outputs_of(masks)._replace(share=share) for share in (1 - right, right))
        costs.append(float(task.loss(wrong, batch) - task.loss(best, batch)))

    # Both galaxies' light is nearly the same: giving each the other's misplaces the mean of |2 share - 1|.
    light = (central + neighbours)[:, 0] + 1.0
    expected = float(((2 * right - 1).abs() * light).sum() / light.sum())
    assert costs == pytest.approx([0.0, expected, 3 * expected], rel=1e-3, abs=1e-5)
    assert 0.05 < expected < 0.2


def test_a_network_without_masks_is_refused(make_task, make_batch, galaxies):
    image = galaxies(torch.tensor([1.0]))
    with pytest.raises(ConfigError, match="expected one that gives masks"):
        make_task("mask_flux").loss(Outputs(torch.zeros(1, 2)), make_batch(image, torch.tensor([[1.0]])))
