from __future__ import annotations

import pytest
import torch

from skymill.config.train import ModelConfig
from skymill.models.build import build_network
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.flux import mirrored
from skymill.tasks.losses import HALF_WIDTH_68, scale_of
from skymill.tasks.registry import TASKS


def perfect(task, image: torch.Tensor, flux: torch.Tensor) -> Outputs:
    """What a network that knows the flux would give."""
    residual = torch.log(flux) - torch.log(task.anchor(image))[:, None]
    return Outputs(torch.cat([residual, torch.zeros_like(residual)], dim=1))


def test_the_tasks_are_registered():
    assert TASKS.names() == ["flux", "mask_flux"]


# Magnitudes 14 to 23 are a factor of 4,000 in flux.
@pytest.mark.parametrize("flux", [1e2, 1e4, 4e5])
def test_outputs_become_fluxes(make_task, galaxies, flux: float):
    task = make_task()
    image, true = galaxies(torch.tensor([flux])), torch.tensor([[flux]])
    columns = task.columns(perfect(task, image, true), image)

    torch.testing.assert_close(columns["flux"], true[:, 0])
    half_width = HALF_WIDTH_68 * float(scale_of(torch.zeros(1)))
    torch.testing.assert_close(columns["flux_err"], half_width * true[:, 0])
    assert columns["flags"].tolist() == [0]


def test_the_target_of_bright_galaxies_does_not_depend_on_their_flux(make_task, galaxies):
    task = make_task()
    flux = torch.tensor([1e4, 1e5, 1e6, 1e7])
    residual = torch.log(flux) - torch.log(task.anchor(galaxies(flux)))

    torch.testing.assert_close(residual, residual[:1].expand(4), rtol=0, atol=1e-4)


def test_anchor_scaled_channels_look_the_same_at_any_flux(make_task, galaxies):
    task = make_task(softening_rms=[1.0], softening_anchor=[0.1], has_mirror_channels=False)
    inputs = task.inputs(galaxies(torch.tensor([1e4, 1e6])))

    torch.testing.assert_close(inputs[0, 1], inputs[1, 1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(inputs[0, 0], inputs[1, 0])


@pytest.mark.parametrize(
    "options",
    [{}, {"softening_anchor": []}, {"softening_rms": [3.0], "has_mirror_channels": False}],
)
def test_the_number_of_channels_is_what_the_inputs_have(make_task, galaxies, options):
    task = make_task(**options)
    inputs = task.inputs(galaxies(torch.tensor([1e3, 1e4])))

    assert inputs.shape == (2, task.channels, 32, 32)
    assert torch.isfinite(inputs).all()


def test_mirroring_leaves_the_centre_and_takes_the_neighbour_away(make_task, galaxies):
    central, neighbour = galaxies(torch.tensor([1e4])), galaxies(torch.tensor([1e5]), x=9.0, y=-4.0)
    both = (central + neighbour)[:, 0]
    lower = torch.minimum(both, mirrored(both))

    torch.testing.assert_close(mirrored(central[:, 0]), central[:, 0], rtol=1e-5, atol=1e-5)
    # Of 1e5 units of the neighbour's light next to nothing is left; it was all there before.
    assert float(lower.sum()) == pytest.approx(1e4, rel=0.01)


def test_a_faint_galaxy_beside_a_bright_one_has_finite_numbers(make_task, galaxies):
    task = make_task()
    image = galaxies(torch.tensor([300.0])) + galaxies(torch.tensor([1e6]), x=8.0)
    true = torch.tensor([[300.0]])
    columns = task.columns(perfect(task, image, true), image)

    assert float(columns["flux"]) == pytest.approx(300.0, rel=1e-3)
    assert torch.isfinite(task.inputs(image)).all()
    assert torch.isfinite(task.loss(Outputs(torch.zeros(1, 2)), Batch(image, true)))


def test_nothing_but_noise_below_zero_still_gives_a_flux(make_task):
    task = make_task()
    image = torch.full((1, 1, 32, 32), -5.0)

    assert float(task.columns(Outputs(torch.zeros(1, 2)), image)["flux"]) == pytest.approx(
        3 * task.anchor.noise
    )


@pytest.mark.parametrize("loss", ["laplace", "log_l1", "mape"])
def test_the_true_flux_has_the_least_loss(make_task, galaxies, loss):
    task = make_task(loss=loss)
    flux = torch.tensor([[1e3], [1e5]])
    image = galaxies(flux[:, 0])
    right = perfect(task, image, flux)
    losses = [
        task.loss(Outputs(right.values + torch.tensor([shift, 0.0])), Batch(image, flux))
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
    assert set(columns) == {"flux", "flux_err", "companion_flux", "companion_flux_err", "flags"}


def test_outputs_in_half_precision_are_taken(make_task, galaxies):
    task, flux = make_task(), torch.tensor([[1e4]])
    image = galaxies(flux[:, 0])
    half = Outputs(perfect(task, image, flux).values.bfloat16())

    assert task.columns(half, image)["flux"].dtype == torch.float32
    assert task.loss(half, Batch(image, flux)).dtype == torch.float32


@pytest.mark.parametrize(("network", "task"), [("cnn", "flux"), ("unet", "flux"), ("unet", "mask_flux")])
def test_a_small_batch_is_learned_by_heart(make_task, galaxies, network: str, task: str):
    config = ModelConfig.model_validate(
        {"network": {"kind": network, "widths": [8, 16]}, "task": {"kind": task}, "input_px": 32}
    )
    made = make_task(task)
    flux = torch.logspace(2.5, 5, 8)[:, None]
    image = galaxies(flux[:, 0], sigma=3.0) + torch.randn(
        8, 1, 32, 32, generator=torch.Generator().manual_seed(2)
    )
    batch = Batch(image, flux, (galaxies(flux[:, 0], sigma=3.0) > 1).float().repeat(1, 2, 1, 1))
    torch.manual_seed(0)
    net = build_network(config.network, made.channels, made.values, 32)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = made.loss(net(made.inputs(batch.image)), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]
