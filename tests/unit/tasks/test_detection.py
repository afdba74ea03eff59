from __future__ import annotations

import numpy as np
import pytest
import torch

from skymill.config.finder import DetectionTaskConfig
from skymill.models.outputs import Maps
from skymill.tasks.detection import DetectionTask
from skymill.tasks.patches import Patches
from skymill.tasks.splat import centre_target


def task_with(**options) -> DetectionTask:
    return DetectionTask(DetectionTaskConfig(**options), psf_fwhm_px=3.0)


def patches(y, x, snr, brighter, n=1, owner=None, side=32, width=None) -> Patches:
    k = len(y)
    width = [1.3] * k if width is None else width
    return Patches(
        torch.zeros(n, 1, side, side),
        torch.zeros(n, side, side),
        torch.tensor(owner if owner is not None else [0] * k),
        *(torch.tensor(values, dtype=torch.float32) for values in (y, x, snr, brighter, width)),
    )


def maps_with(places, n=1, side=32) -> Maps:
    """Maps with peaks of a logit at (image, row, column)."""
    centre = torch.full((n, side, side), -20.0)
    for image, row, column, logit in places:
        centre[image, row, column] = logit
    return Maps(centre, torch.zeros(n, 2, side, side), torch.zeros(n, side, side))


def test_inputs_are_compressed():
    task = task_with(softening_rms=[1.0, 10.0])
    image = torch.tensor([-3.0, 0.0, 500.0]).reshape(1, 1, 1, 3)

    assert task.channels == 2
    torch.testing.assert_close(task.inputs(image)[0, 1, 0], torch.asinh(image[0, 0, 0] / 10))


def test_lengths_follow_the_psf_and_have_a_floor():
    task = task_with(splat_fwhm=0.5, max_distance_fwhm=1.0)  # for a PSF of 3 px
    assert (task.sigma_px, task.max_distance_px) == (1.5, 3.0)

    narrow = task_with(splat_fwhm=0.01, max_distance_fwhm=0.01)
    assert (narrow.sigma_px, narrow.max_distance_px) == (0.7, 1.5)


def test_large_galaxies_are_vague_if_that_is_asked_for():
    """Widths of 1.3 and 12 px; a splat of a point is 0.75 px wide."""
    width = torch.tensor([1.3, 12.0])
    assert task_with().vagueness(width).tolist() == [1.0, 1.0]
    torch.testing.assert_close(task_with(width_fraction=0.25).vagueness(width), torch.tensor([1.0, 4.0]))

    # The same peak, 3 px off: too far from a point, on a galaxy of that width.
    truth = patches([5.0, 26.0], [10.0, 10.0], [20.0, 20.0], [np.nan, np.nan], width=width.tolist())
    metrics = task_with(width_fraction=0.25).metrics()
    metrics.update(maps_with([(0, 8, 10, 2.0), (0, 29, 10, 1.0)]), truth)
    assert metrics.found().is_real.tolist() == [False, True]


def test_the_truth_has_a_smaller_loss_than_anything_else():
    task, truth = task_with(), patches([10.0], [12.0], [20.0], [np.nan])
    target = centre_target(truth, torch.tensor([task.sigma_px]))
    right = Maps(
        torch.where(target == 1, 8.0, -8.0), torch.zeros(1, 2, 32, 32), torch.full((1, 32, 32), -8.0)
    )
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            right.offset[0, :, 10 + row, 12 + column] = torch.tensor([-row, -column])

    loss = task.loss(right, truth)
    assert loss < 0.01
    for worse in (
        right._replace(centre=-right.centre),
        right._replace(offset=right.offset + 1),
        right._replace(segment=-right.segment),
    ):
        assert task.loss(worse, truth) > loss + 0.1


def test_weights_of_the_parts():
    truth = patches([10.0], [12.0], [20.0], [np.nan])
    wrong = maps_with([])._replace(
        offset=torch.full((1, 2, 32, 32), 3.0), segment=torch.full((1, 32, 32), 2.0)
    )
    alone = task_with(offset_weight=0, segment_weight=0).loss(wrong, truth)
    both = task_with(offset_weight=1, segment_weight=0).loss(wrong, truth)

    # Offsets of 3 px instead of -1, 0 and 1 in equal shares.
    assert (both - alone).item() == pytest.approx(3.0, rel=1e-5)


def test_validation_figures():
    metrics = task_with().metrics()
    truth = patches(
        [10, 20, 5, 25],
        [10, 20, 5, 25],
        [50.0, 5.0, 8.0, 15.0],
        [np.nan, 4.0, np.nan, np.nan],
        2,
        [0, 0, 1, 1],
    )
    # Found: the first, the third; and something that is not there.
    metrics.update(maps_with([(0, 10, 10, 3.0), (1, 6, 5, 2.0), (1, 15, 28, -2.0)], n=2), truth)
    figures = metrics.compute()

    assert figures["average_precision"] == pytest.approx(0.5)
    assert figures["completeness"] == 0.5
    assert figures["completeness_close"] == 0.0
    assert [figures[f"completeness_snr_{low}"] for low in (4, 6, 10, 20)] == [0.0, 1.0, 0.0, 1.0]
    metrics.reset()
    metrics.update(maps_with([(0, 10, 10, 3.0)]), patches([10], [10], [9.0], [np.nan]))
    assert metrics.compute()["average_precision"] == 1.0


def test_a_peak_on_another_patch_is_no_match():
    metrics = task_with().metrics()
    metrics.update(maps_with([(1, 10, 10, 3.0)], n=2), patches([10], [10], [9.0], [np.nan], 2, [0]))
    found = metrics.found()

    assert found.is_real.tolist() == [False] and np.isneginf(found.best).all()


def test_figures_without_any_peak():
    metrics = task_with().metrics()
    metrics.update(maps_with([]), patches([10], [10], [9.0], [np.nan]))

    assert metrics.compute()["average_precision"] == 0.0 == metrics.compute()["completeness"]
