from __future__ import annotations

import pytest
import torch

from skymill.models.outputs import Outputs


def outputs_for(task, image: torch.Tensor, flux: torch.Tensor) -> Outputs:
    residual = torch.log(flux) - torch.log(task.anchor(image))[:, None]
    return Outputs(torch.cat([residual, torch.zeros_like(residual)], dim=1))


def test_figures_of_known_errors_over_two_batches(make_task, make_batch, galaxies):
    task = make_task()
    metrics = task.metrics()
    true = torch.full((5, 1), 1e4)
    image = galaxies(true[:, 0])
    # Relative errors of -10, 0, +5, +10 and +50 %.
    wrong = true * torch.tensor([[0.9], [1.0], [1.05], [1.1], [1.5]])
    outputs = outputs_for(task, image, wrong)
    for rows in (slice(0, 2), slice(2, 5)):
        metrics.update(Outputs(outputs.values[rows]), make_batch(image[rows], true[rows]))
    figures = metrics.compute()

    assert figures["flux_mape"] == pytest.approx(15.0, rel=1e-3)
    assert figures["flux_bias"] == pytest.approx(5.0, rel=1e-3)
    # flux_err is 15.5 % of the flux here, so that all but the last are covered.
    assert figures["coverage_68"] == pytest.approx(0.8)
    assert set(figures) == {"flux_mape", "flux_bias", "coverage_68"}


def test_both_galaxies_of_a_pair_count(make_task, make_batch, galaxies):
    task = make_task(outputs="central_and_companion")
    metrics = task.metrics()
    true = torch.tensor([[1e4, 2e4]])
    image = galaxies(true[:, 0])
    metrics.update(outputs_for(task, image, true * torch.tensor([[1.0, 1.2]])), make_batch(image, true))

    assert metrics.compute()["flux_mape"] == pytest.approx(10.0, rel=1e-3)


def test_masks_are_judged_by_intersection_over_union(make_task, make_batch, galaxies):
    task = make_task("mask_flux")
    metrics = task.metrics()
    true, image = torch.tensor([[1e4]]), galaxies(torch.tensor([1e4]))
    light = torch.zeros(1, 1, 32, 32)
    light[:, :, :10] = 5.0
    found = torch.zeros(1, 2, 32, 32)
    found[:, 0, :10] = 1.0
    found[:, 1, 5:15] = 1.0
    outputs = Outputs(torch.zeros(1, 2), 20 * found - 10, torch.zeros(1, 32, 32))
    metrics.update(outputs, make_batch(image, true, light, light))
    figures = metrics.compute()

    assert figures["mask_iou_central"] == pytest.approx(1.0)
    assert figures["mask_iou_neighbour"] == pytest.approx(5 / 15)


def test_masks_that_are_not_learned_are_not_judged(make_task, make_batch, galaxies):
    metrics = make_task("mask_flux", mask_weight=0).metrics()
    true, image = torch.tensor([[1e4]]), galaxies(torch.tensor([1e4]))
    maps = torch.zeros(1, 3, 32, 32)
    metrics.update(Outputs(torch.zeros(1, 2), maps[:, 1:], maps[:, 0]), make_batch(image, true))

    assert set(metrics.compute()) == {"flux_mape", "flux_bias", "coverage_68"}


def test_a_reset_forgets(make_task, make_batch, galaxies):
    task = make_task()
    metrics = task.metrics()
    true, image = torch.tensor([[1e4]]), galaxies(torch.tensor([1e4]))
    metrics.update(outputs_for(task, image, 2 * true), make_batch(image, true))
    metrics.reset()
    metrics.update(outputs_for(task, image, true), make_batch(image, true))

    assert metrics.compute()["flux_mape"] == pytest.approx(0.0, abs=1e-2)
