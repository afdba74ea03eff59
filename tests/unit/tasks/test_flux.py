from __future__ import annotations

from math import log

import pytest
import torch

from skymill.config.train import ModelConfig
from skymill.models.build import build_network
from skymill.models.outputs import Outputs
from skymill.tasks.calibration import Calibration
from skymill.tasks.losses import scale_of
from skymill.tasks.registry import TASKS


def perfect(task, image: torch.Tensor, flux: torch.Tensor) -> Outputs:
    """What a network that knows the flux would give."""
    residual = torch.log(flux) - torch.log(task.anchor(image))[:, None]
    return Outputs(torch.cat([residual, torch.zeros_like(residual)], dim=1))


def test_the_tasks_are_registered():
    assert TASKS.names() == ["deblend", "flux", "mask_flux", "pictures"]


# Magnitudes 14 to 23 are a factor of 4,000 in flux.
@pytest.mark.parametrize("flux", [1e2, 1e4, 4e5])
def test_outputs_become_fluxes(make_task, galaxies, flux: float):
    task = make_task()
    image, true = galaxies(torch.tensor([flux])), torch.tensor([[flux]])
    columns = task.columns(perfect(task, image, true), image)

    torch.testing.assert_close(columns["flux"], true[:, 0])
    # Of a Laplace distribution the 16 and 84 % points are at -+ ln(0.5 / 0.16) of its scale, 2.5 and 97.5 % at ln 20.
    scale = float(scale_of(torch.zeros(1)))
    ends = [-log(20), -log(0.5 / 0.16), log(0.5 / 0.16), log(20)]
    expected = flux * torch.exp(scale * torch.tensor(ends))
    found = torch.cat([columns[f"flux_{name}"] for name in ("q025", "q16", "q84", "q975")])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(columns["flux_err"], (expected[2:3] - expected[1:2]) / 2)
    assert columns["flags"].tolist() == [0]


def test_the_calibration_of_a_model_moves_all_quantiles(make_task, galaxies):
    task = make_task()
    image, true = galaxies(torch.tensor([1e4])), torch.tensor([[1e4]])
    calibration = Calibration(log_scale_edges=(), quantiles=((-3.0, -1.0, 0.5, 1.0, 2.0),), galaxies=9)
    columns = task.columns(perfect(task, image, true), image, calibration)
    scale = float(scale_of(torch.zeros(1)))
    names = ("flux_q025", "flux_q16", "flux", "flux_q84", "flux_q975")
    found = [log(float(columns[name]) / 1e4) / scale for name in names]

    assert found == pytest.approx([-3.0, -1.0, 0.5, 1.0, 2.0], abs=1e-3)


def test_the_target_of_bright_galaxies_does_not_depend_on_their_flux(make_task, galaxies):
    task = make_task()
    flux = torch.tensor([1e4, 1e5, 1e6, 1e7])
    residual = torch.log(flux) - torch.log(task.anchor(galaxies(flux)))

    torch.testing.assert_close(residual, residual[:1].expand(4), rtol=0, atol=1e-4)


def test_networks_are_given_the_image_its_brightness_and_what_is_known(make_task, galaxies):
    task = make_task()
    image = galaxies(torch.tensor([1e4, 1e6]))
    condition = torch.tensor([[0.0, 0.1], [0.2, 0.0]])
    inputs = task.inputs(image, condition)

    assert torch.equal(inputs.image, image[:, 0]) and torch.equal(inputs.condition, condition)
    # The mean within 9 px: of a Gaussian of 1.5 px all light.
    torch.testing.assert_close(
        inputs.brightness, torch.tensor([1e4, 1e6]) / task.anchor.area_px, rtol=1e-4, atol=0
    )
    assert task.anchor.area_px == pytest.approx(3.14159 * 9**2, rel=0.01)


def test_a_faint_galaxy_beside_a_bright_one_has_finite_numbers(make_task, make_batch, galaxies):
    task = make_task()
    image = galaxies(torch.tensor([300.0])) + galaxies(torch.tensor([1e6]), x=8.0)
    true = torch.tensor([[300.0]])
    columns = task.columns(perfect(task, image, true), image)

    assert float(columns["flux"]) == pytest.approx(300.0, rel=1e-3)
    assert torch.isfinite(task.inputs(image, torch.zeros(1, 2)).brightness).all()
    assert torch.isfinite(task.loss(Outputs(torch.zeros(1, 2)), make_batch(image, true)))


def test_nothing_but_noise_below_zero_still_gives_a_flux(make_task):
    task = make_task()
    image = torch.full((1, 1, 32, 32), -5.0)

    assert float(task.columns(Outputs(torch.zeros(1, 2)), image)["flux"]) == pytest.approx(
        3 * task.anchor.noise
    )


@pytest.mark.parametrize("loss", ["laplace", "log_l1", "mape"])
def test_the_true_flux_has_the_least_loss(make_task, make_batch, galaxies, loss):
    task = make_task(loss=loss)
    flux = torch.tensor([[1e3], [1e5]])
    image = galaxies(flux[:, 0])
    right = perfect(task, image, flux)
    losses = [
        task.loss(Outputs(right.values + torch.tensor([shift, 0.0])), make_batch(image, flux))
        for shift in (-0.1, 0, 0.1)
    ]

    assert losses[1] < losses[0] and losses[1] < losses[2]


def test_pairs_have_a_second_flux(make_task, galaxies):
    task = make_task(outputs="central_and_companion")
    flux = torch.tensor([[1e4, 4e4]])
    image = galaxies(flux[:, 0]) + galaxies(flux[:, 1], x=7.0)
    columns = task.columns(perfect(task, image, flux), image)

    assert (task.galaxies, task.values) == (2, 4)
    assert float(columns["flux"]) == pytest.approx(1e4, rel=1e-4)
    assert float(columns["companion_flux"]) == pytest.approx(4e4, rel=1e-4)
    fluxes = {"flux", "flux_err", "flux_q025", "flux_q16", "flux_q84", "flux_q975"}
    assert set(columns) == fluxes | {f"companion_{name}" for name in fluxes} | {"flags"}


def test_outputs_in_half_precision_are_taken(make_task, make_batch, galaxies):
    task, flux = make_task(), torch.tensor([[1e4]])
    image = galaxies(flux[:, 0])
    half = Outputs(perfect(task, image, flux).values.bfloat16())

    assert task.columns(half, image)["flux"].dtype == torch.float32
    assert task.loss(half, make_batch(image, flux)).dtype == torch.float32


@pytest.mark.parametrize(("network", "task"), [("cnn", "flux"), ("unet", "flux"), ("unet", "mask_flux")])
def test_a_small_batch_is_learned_by_heart(make_task, make_batch, galaxies, network: str, task: str):
    options = {"kind": network, "widths": [8, 16], "rings": 12, "angles": 16}
    config = ModelConfig.model_validate({"network": options, "task": {"kind": task}, "input_px": 32})
    made = make_task(task)
    flux = torch.logspace(2.5, 5, 8)[:, None]
    central, neighbours = galaxies(flux[:, 0], sigma=3.0), galaxies(flux[:, 0].flip(0), x=6.0)
    noise = torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    batch = make_batch(central + neighbours + noise, flux, central, neighbours)
    torch.manual_seed(0)
    net = build_network(config.network, made.values, 32)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = made.loss(net(made.inputs(batch.image, batch.condition)), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]
