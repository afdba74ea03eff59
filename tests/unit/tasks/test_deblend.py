"""Deblended images in linear light, and the flux that they say."""

from __future__ import annotations

from math import e, log

import pytest
import torch

from skymill.errors import ConfigError
from skymill.models.outputs import Outputs
from skymill.tasks.deblend import LARGEST_CORRECTION, LEAST_ERROR_RMS, light_error, log_error

WEIGHTS = ("flux_weight", "pixel_weight", "peak_weight", "light_weight", "conservation_weight")


@pytest.fixture
def pair(make_batch, galaxies):
    """Two blends of Gaussians and their noise-free layers (2, 2, y, x)."""
    flux = torch.tensor([[1e4], [3e3]])
    central, neighbours = galaxies(flux[:, 0]), galaxies(2 * flux[:, 0], x=5.0)
    batch = make_batch(central + neighbours, flux, central, neighbours)
    return batch, torch.cat([central, neighbours], dim=1)


def only(make_task, name: str):
    return make_task("deblend", **{weight: float(weight == name) for weight in WEIGHTS})


def test_the_flux_is_the_light_of_the_image(make_task, pair):
    batch, layers = pair
    location, _ = make_task("deblend").log_flux(Outputs(torch.zeros(2, 2), layers=layers), batch.image)
    torch.testing.assert_close(location, torch.log(batch.flux), rtol=0, atol=1e-3)

    # A neighbour's image is not part of it, nor is the blend.
    other = layers.clone()
    other[:, 1] *= 7
    again, _ = make_task("deblend").log_flux(Outputs(torch.zeros(2, 2), layers=other), 3 * batch.image)
    assert torch.equal(location, again)


@pytest.mark.parametrize("raw", [-100.0, 100.0])
def test_the_correction_is_bounded(make_task, pair, raw: float):
    batch, layers = pair
    values = torch.tensor([[raw, 0.0]]).expand(2, 2)
    location, _ = make_task("deblend").log_flux(Outputs(values, layers=layers), batch.image)
    expected = torch.log(batch.flux) + LARGEST_CORRECTION * (1 if raw > 0 else -1)

    torch.testing.assert_close(location, expected, rtol=0, atol=1e-3)


def test_an_empty_image_has_the_least_flux(make_task, pair):
    batch, layers = pair
    columns = make_task("deblend").columns(Outputs(torch.zeros(2, 2), layers=0 * layers), batch.image)

    assert torch.isfinite(columns["flux"]).all() and (columns["flux"] > 0).all()
    assert (columns["flux_q16"] < columns["flux_q84"]).all() and columns["flags"].tolist() == [0, 0]


def test_true_images_cost_least(make_task, pair):
    batch, layers = pair
    for name in WEIGHTS[1:]:
        task = only(make_task, name)
        best, wrong = (
            float(task.loss(Outputs(torch.zeros(2, 2), layers=given), batch))
            for given in (layers, 1.3 * layers)
        )
        assert best < wrong - 0.01, name


def test_the_light_of_both_images_is_conserved_or_costs(make_task, pair):
    batch, layers = pair
    task, exchanged = only(make_task, "conservation_weight"), layers.flip(1)

    # What is given to the wrong galaxy is not lost; twice the light is ln 2 off.
    assert float(task.loss(Outputs(torch.zeros(2, 2), layers=exchanged), batch)) == pytest.approx(0, abs=1e-5)
    twice = float(task.loss(Outputs(torch.zeros(2, 2), layers=2 * layers), batch))
    assert twice == pytest.approx(log(2), abs=1e-4)


def test_the_loss_of_the_flux_does_not_act_on_the_images(make_task, pair):
    batch, layers = pair
    layers, values = (0.5 * layers).requires_grad_(), torch.zeros(2, 2, requires_grad=True)
    only(make_task, "flux_weight").loss(Outputs(values, layers=layers), batch).backward()

    assert layers.grad is None and values.grad[:, 0].all()


def test_what_has_no_weight_is_not_computed(make_task, pair):
    batch, layers = pair
    broken = layers.clone()
    broken[:, 1] = torch.nan

    assert torch.isfinite(
        only(make_task, "peak_weight").loss(Outputs(torch.zeros(2, 2), layers=broken), batch)
    )


def test_the_peak_loss_is_the_psnr():
    true = torch.zeros(1, 10, 10)
    true[0, 5, 5] = 1000.0
    image = true + 10.0

    # 20 log10(1000 / 10) = 40 dB, in units of 20 / ln 10 = 8.686 dB.
    assert float(log_error(image, true)) == pytest.approx(-40 / 8.685889638, abs=1e-5)
    assert float(log_error(true, true)) == pytest.approx(log(LEAST_ERROR_RMS / 1000.0), abs=1e-4)


def test_a_galaxy_weighs_the_same_however_bright():
    true = torch.rand(1, 8, 8) + 1.0

    assert float(log_error(1.1 * true, true)) == pytest.approx(
        float(log_error(1100 * true, 1000 * true)), rel=1e-3
    )


def test_light_errors_are_logarithms():
    true = torch.full((2, 4, 4), 10.0)

    assert light_error(torch.stack([e * true[0], true[1] / e]), true).tolist() == pytest.approx([1.0, 1.0])
    assert torch.isfinite(light_error(0 * true, true)).all()


def test_the_middle_of_larger_stamps_is_compared(make_task, pair):
    batch, layers = pair
    task, middle = make_task("deblend"), layers[..., 8:24, 8:24]

    assert float(task.loss(Outputs(torch.zeros(2, 2), layers=middle), batch)) < -2


def test_a_network_without_images_is_refused(make_task, pair):
    with pytest.raises(ConfigError, match="expected one that gives images"):
        make_task("deblend").columns(Outputs(torch.zeros(2, 2)), pair[0].image)


def test_figures_of_validation(make_task, pair):
    batch, layers = pair
    metrics = make_task("deblend").metrics()
    central, neighbours = layers.unbind(dim=1)
    peak = central.amax(dim=(1, 2), keepdim=True)
    metrics.update(
        Outputs(torch.zeros(2, 2), layers=torch.stack([central + 0.01 * peak, neighbours], dim=1)), batch
    )
    found = metrics.compute()

    # An error of a hundredth of the peak is 40 dB; it adds 1024 such pixels to the light of both.
    assert found["image_psnr"] == pytest.approx(40.0, abs=1e-3)
    added = 1024 * 0.01 * peak.flatten() / layers.sum(dim=(1, 2, 3))
    assert found["image_conservation"] == pytest.approx(100 * float(added.mean()), rel=1e-4)
    metrics.reset()
    metrics.update(Outputs(torch.zeros(2, 2), layers=1.01 * layers), batch)
    assert metrics.compute()["image_conservation"] == pytest.approx(1.0, rel=1e-3)
