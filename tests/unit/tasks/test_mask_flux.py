from __future__ import annotations

import pytest
import torch

from skymill.catalog.flags import Flag
from skymill.errors import ConfigError
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.mask_flux import LEAST_OVERLAP


def masks_of(shared_rows: int) -> torch.Tensor:
    """A central mask of 20 rows × 10 px and a neighbour's that covers some of its rows."""
    masks = torch.zeros(1, 2, 32, 32)
    masks[0, 0, :20, :10] = 1.0
    masks[0, 1, 20 - shared_rows :, :10] = 1.0
    return masks


@pytest.mark.parametrize(("shared_rows", "blended"), [(0, False), (1, True), (10, True)])
def test_overlapping_masks_are_flagged(make_task, galaxies, shared_rows: int, blended: bool):
    image = galaxies(torch.tensor([1e4]))
    outputs = Outputs(torch.zeros(1, 2), 20 * masks_of(shared_rows) - 10)
    flags = make_task("mask_flux").columns(outputs, image)["flags"]

    # One row of 20 is the least overlap that counts.
    assert LEAST_OVERLAP == 1 / 20
    assert bool(flags[0] & int(Flag.BLENDED)) == blended


def test_empty_masks_are_not_blended(make_task, galaxies):
    outputs = Outputs(torch.zeros(1, 2), torch.full((1, 2, 32, 32), -5.0))

    assert make_task("mask_flux").columns(outputs, galaxies(torch.tensor([1e4])))["flags"].tolist() == [0]


def test_wrong_masks_cost_what_their_weight_says(make_task, galaxies):
    image, flux, masks = galaxies(torch.tensor([1e4])), torch.tensor([[1e4]]), masks_of(3)
    right, wrong = (Outputs(torch.zeros(1, 2), sign * (20 * masks - 10)) for sign in (1, -1))
    costs = []
    for weight in (0.0, 1.0, 2.0):
        task = make_task("mask_flux", mask_weight=weight)
        batch = Batch(image, flux, masks)
        costs.append(float(task.loss(wrong, batch) - task.loss(right, batch)))

    # With logits of ±10 each pixel's cross-entropy differs by 10.
    assert costs == pytest.approx([0.0, 10.0, 20.0], abs=1e-4)


def test_a_network_without_masks_is_refused(make_task, galaxies):
    with pytest.raises(ConfigError, match="expected one that gives masks"):
        make_task("mask_flux").columns(Outputs(torch.zeros(1, 2)), galaxies(torch.tensor([1.0])))
