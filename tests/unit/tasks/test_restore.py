from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from skymill.config.restorer import RestoreTaskConfig
from skymill.models.outputs import Outputs
from skymill.tasks.restore import Degraded, RestoreTask, psnr

SIZE = 32


def batch_of(noise: float = 4.0) -> Degraded:
    """Gaussian galaxies of 400 and 4,000 background rms of the survey, seen with more noise."""
    axis = torch.arange(SIZE) - SIZE // 2
    form = torch.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 2.5**2)
    light = torch.stack([400 * form, 4000 * form])[:, None] / form.sum()
    image = light + noise * torch.randn(light.shape, generator=torch.Generator().manual_seed(1))
    condition = torch.log2(torch.tensor([[1.5, noise], [1.2, noise]]))
    return Degraded(image / noise, light / noise, condition)


def outputs_of(light: torch.Tensor) -> Outputs:
    return Outputs(light.new_empty((len(light), 0)), layers=light)


def task_of(**weights) -> RestoreTask:
    return RestoreTask(RestoreTaskConfig(**weights), psf_fwhm_px=3.0)


def test_nothing_costs_less_than_the_truth():
    batch, task = batch_of(), task_of()
    costs = [
        float(task.loss(outputs_of(light), batch))
        for light in (batch.light, 1.02 * batch.light, batch.image.clamp(min=0), 0 * batch.light)
    ]

    assert costs == sorted(costs) and costs[0] < costs[1]


def test_a_loss_counts_in_the_survey_s_noise():
    """The same error of the same galaxy costs the same, whatever noise it was restored from."""
    shallow, deep = batch_of(8.0), batch_of(2.0)
    task = task_of()
    costs = [float(task.loss(outputs_of(1.1 * one.light), one)) for one in (shallow, deep)]

    assert costs[0] == pytest.approx(costs[1], rel=1e-5)


def test_the_peak_s_loss_is_the_psnr():
    batch = batch_of()
    only_peak = task_of(pixel_weight=0, light_weight=0, peak_weight=1)
    costs = [float(only_peak.loss(outputs_of(scale * batch.light), batch)) for scale in (1.1, 1.2)]

    # Twice the error is 6.02 dB, of which the loss counts 8.686 as one; near its floor a little less.
    assert costs[1] - costs[0] == pytest.approx(6.0206 / 8.6859, rel=3e-3)


def test_light_alone_is_seen_by_its_own_loss():
    batch = batch_of()
    only_light = task_of(pixel_weight=0, peak_weight=0, light_weight=2)

    assert float(only_light.loss(outputs_of(1.1 * batch.light), batch)) == pytest.approx(0.19062, rel=1e-3)
    moved = batch.light.roll(3, dims=-1)
    assert float(only_light.loss(outputs_of(moved), batch)) == pytest.approx(0, abs=1e-5)


def test_a_task_without_a_loss_is_refused():
    with pytest.raises(ValidationError, match="a loss with a weight above 0"):
        RestoreTaskConfig(pixel_weight=0, peak_weight=0, light_weight=0)


def test_inputs_are_the_image_its_brightness_and_the_conditions():
    batch, task = batch_of(), task_of()
    inputs = task.inputs(batch.image, batch.condition)
    bright = batch.light[1, 0, SIZE // 2 - 9 : SIZE // 2 + 10, SIZE // 2 - 9 : SIZE // 2 + 10].sum()

    assert torch.equal(inputs.image, batch.image[:, 0]) and inputs.condition is batch.condition
    assert float(inputs.brightness[1]) == pytest.approx(float(bright / task.anchor.area_px), rel=0.05)


def test_a_critic_is_shown_one_image():
    (light,) = batch_of().layers(16)

    assert torch.equal(light, batch_of().light[:, 0, 8:24, 8:24])


def test_psnr_has_its_definition():
    true = torch.zeros(2, 10, 10)
    true[:, 5, 5] = 100.0
    off = true + torch.tensor([1.0, 10.0])[:, None, None]

    assert psnr(off, true).tolist() == pytest.approx([40, 20], abs=1e-4)


def test_figures_are_means_over_all_batches():
    batch, metrics = batch_of(), task_of().metrics()
    metrics.update(outputs_of(1.1 * batch.light), batch)
    first = metrics.compute()
    metrics.update(outputs_of(1.2 * batch.light), batch)
    both = metrics.compute()

    assert first["image_flux_mape"] == pytest.approx(10, rel=1e-4)
    assert both["image_flux_mape"] == pytest.approx(15, rel=1e-4)
    assert both["image_psnr"] == pytest.approx(first["image_psnr"] - 3.0103, abs=1e-3)
    assert both["degraded_psnr"] == pytest.approx(first["degraded_psnr"])
    metrics.reset()
    metrics.update(outputs_of(1.2 * batch.light), batch)
    assert metrics.compute()["image_flux_mape"] == pytest.approx(20, rel=1e-4)
