from __future__ import annotations

import math

import pytest
import torch

from skymill.tasks.patches import Patches
from skymill.tasks.splat import centre_target, focal_loss, offset_loss


def patches(places, n=1, side=16, owner=None) -> Patches:
    y, x = torch.tensor(places, dtype=torch.float32).reshape(-1, 2).T
    k = len(y)
    return Patches(
        torch.zeros(n, 1, side, side),
        torch.zeros(n, side, side),
        torch.zeros(k, dtype=torch.int64) if owner is None else torch.tensor(owner),
        y,
        x,
        torch.full((k,), 10.0),
        torch.full((k,), torch.nan),
        torch.full((k,), 1.3),
    )


def target_of(truth: Patches, *sigma_px: float) -> torch.Tensor:
    """The target with splats of these widths, or of one for all."""
    return centre_target(truth, torch.tensor(sigma_px).expand(len(truth.y)))


def test_a_centre_is_one_and_falls_as_a_gaussian():
    target = target_of(patches([(5.2, 7.6)]), 1.2)[0]

    assert target[5, 8] == 1 and (target == 1).sum() == 1
    assert target[5, 7].item() == pytest.approx(math.exp(-(0.2**2 + 0.6**2) / (2 * 1.44)))
    assert target[5, 13] == 0


def test_the_higher_of_overlapping_splats_counts():
    both = target_of(patches([(8, 6), (8, 9)]), 1.0)[0]
    one, other = (target_of(patches([place]), 1.0)[0] for place in ((8, 6), (8, 9)))

    torch.testing.assert_close(both, torch.maximum(one, other))


def test_each_splat_has_its_own_width():
    target = target_of(patches([(4, 8), (11, 8)]), 0.7, 1.5)[0]

    assert target[4, 9].item() == pytest.approx(math.exp(-1 / (2 * 0.49)))
    assert target[11, 9].item() == pytest.approx(math.exp(-1 / (2 * 2.25)))


def test_splats_are_cut_at_the_edges_and_stay_on_their_image():
    target = target_of(patches([(0, 0), (15.4, 15.4)], n=2, owner=[0, 1]), 1.5)

    assert target[0, 0, 0] == 1 and target[1, 15, 15] == 1
    assert not target[0, 8:, 8:].any() and not target[1, :8, :8].any()


def test_an_empty_patch_has_an_empty_target():
    assert not target_of(patches([]), 1.0).any()


def test_focal_loss_of_single_pixels():
    target = torch.tensor([[[1.0, 0.5, 0.0]]])
    logits = torch.tensor([[[0.3, -0.7, 1.1]]])
    p = [1 / (1 + math.exp(-value)) for value in (0.3, -0.7, 1.1)]
    expected = -(
        (1 - p[0]) ** 2 * math.log(p[0])
        + 0.5**4 * p[1] ** 2 * math.log(1 - p[1])
        + p[2] ** 2 * math.log(1 - p[2])
    )

    assert focal_loss(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_is_finite_and_zero_for_the_truth():
    target = target_of(patches([(5, 5)]), 1.0)
    sure = torch.where(target == 1, 100.0, -100.0)

    assert focal_loss(sure, target) < 1e-6
    assert torch.isfinite(focal_loss(-sure, target))
    assert torch.isfinite(focal_loss(-sure, torch.zeros_like(target)))


def test_offsets_are_learned_around_the_centre():
    truth = patches([(5.2, 7.6)])
    offset = torch.zeros(1, 2, 16, 16)
    for row in range(4, 7):
        for column in range(7, 10):
            offset[0, :, row, column] = torch.tensor([5.2 - row, 7.6 - column])

    assert offset_loss(offset, truth) < 1e-6
    assert offset_loss(offset + 0.5, truth).item() == pytest.approx(0.5)
    assert offset_loss(offset, patches([])) == 0


def test_offsets_of_an_object_in_the_corner_stay_on_the_image():
    assert torch.isfinite(offset_loss(torch.zeros(1, 2, 16, 16), patches([(-0.4, 15.4)])))
