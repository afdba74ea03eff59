"""Measuring with a network that knows the answer: what is tested is what lies around it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skymill.catalog.flags import Flag
from skymill.config.network import CnnConfig
from skymill.config.train import FluxTaskConfig
from skymill.data.survey import Survey
from skymill.data.tile import MaskBit, Tile, TileMeta
from skymill.inference.measure import measure
from skymill.models.build import build_network
from skymill.tasks.build import build_task
from skymill.tasks.calibration import Calibration, laplace
from skymill.tasks.losses import scale_of
from skymill.training.card import Model

INPUT_PX, RMS = 16, 2.0
META = TileMeta("t", "test_r", "r", 0.4, 25.0, 100.0, None, 2.0)
SURVEY = Survey(
    name="test_r",
    description="A survey for tests.",
    band="r",
    pixel_scale_arcsec=0.4,
    zero_point_mag=25.0,
    gain_e_per_unit=100.0,
    background_rms=RMS,
    psf={"kind": "gaussian", "fwhm_arcsec": 0.8},
    sources={},
)
POSITIONS = np.array([(20, 20), (40, 20), (20, 40), (40, 44), (30, 31)], dtype=np.float64).T
FLUXES = np.array([1e3, 2e3, 3e3, 4e3, 5e3])


class CentralPixelTask:
    """Flux: the middle pixel, in background rms; error: the sum of the stamp. It keeps what it is given."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []
        self.conditions: list[Tensor] = []

    def inputs(self, image: Tensor, condition: Tensor) -> Tensor:
        self.images.append(image)
        self.conditions.append(condition)
        return image

    def columns(self, outputs: Tensor, image: Tensor, calibration: Calibration) -> dict[str, Tensor]:
        middle = outputs[:, 0, INPUT_PX // 2, INPUT_PX // 2]
        return {"flux": middle, "flux_err": outputs.sum(dim=(1, 2, 3)), "flags": (middle * 0).int()}


def card_of(
    psf: tuple[float, float] = (0.0, 0.0), noise: tuple[float, float] = (0.0, 0.0)
) -> SimpleNamespace:
    """A card with what measuring asks of it; `psf` and `noise` are the ranges that were trained."""
    return SimpleNamespace(
        input_px=INPUT_PX, survey=SURVEY, calibration=laplace(), condition_range=lambda: (psf, noise)
    )


@pytest.fixture
def oracle() -> Model:
    return Model(nn.Identity(), CentralPixelTask(), card_of())


def make_tile(size: int = 64, **images: np.ndarray) -> Tile:
    """A tile of single bright pixels at POSITIONS."""
    science = np.zeros((size, size), dtype=np.float32)
    science[POSITIONS[1].astype(int), POSITIONS[0].astype(int)] = FLUXES
    rms, mask = np.full(science.shape, RMS, dtype=np.float32), np.zeros(science.shape, dtype=np.uint8)
    given = {"science": science, "rms": rms, "mask": mask, **images}
    return Tile(given["science"], given["rms"], given["mask"], None, META)


@pytest.mark.parametrize("offset", [0.0, 0.4, -0.4])
def test_the_flux_of_the_nearest_pixel_in_image_units(oracle, offset):
    columns = measure(make_tile(), *(POSITIONS + offset), oracle)

    np.testing.assert_allclose(columns["flux"], FLUXES, rtol=1e-6)
    assert columns["flux"].dtype == np.float64 and columns["flags"].dtype == np.int64
    assert not columns["flags"].any()


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_change_nothing(oracle, batch_size):
    columns = measure(make_tile(), *POSITIONS, oracle, batch_size=batch_size)

    np.testing.assert_allclose(columns["flux"], FLUXES, rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_real_network_gives_the_same_in_any_batch(batch_size):
    task = build_task(FluxTaskConfig(kind="flux"), 2.0)
    torch.manual_seed(0)
    config = CnnConfig(kind="cnn", widths=(8, 16), rings=8, angles=8)
    network = build_network(config, task.values, INPUT_PX).eval()
    nn.init.normal_(network.polar.head.weight, std=0.1)
    model = Model(network, task, card_of())
    random = np.random.default_rng(0)
    tile = make_tile(science=random.normal(20, RMS, (64, 64)).astype(np.float32))
    x, y = random.uniform(5, 59, (2, 20))
    whole, parts = (measure(tile, x, y, model, batch_size=size) for size in (20, batch_size))

    # Sums are taken in another order: float32 rounding.
    np.testing.assert_allclose(parts["flux"], whole["flux"], rtol=1e-4)
    np.testing.assert_array_equal(parts["flags"], whole["flags"])


def test_stamps_are_in_units_of_the_local_rms(oracle):
    rms = np.full((64, 64), RMS, dtype=np.float32)
    rms[:, 32:] = 8.0
    tile = make_tile(science=np.ones((64, 64), dtype=np.float32), rms=rms)
    measure(tile, np.array([10.0, 50.0]), np.array([20.0, 20.0]), oracle)

    assert oracle.task.images[0][:, 0, 0, 0].tolist() == [1 / RMS, 1 / 8.0]


def conditions(model: Model, psf_fwhm_px: float = 2.0, gain: float = 100.0, **images) -> np.ndarray:
    """What a network is told of five stamps of a tile with this PSF and gain."""
    tile = make_tile(**images)
    meta = replace(META, psf_fwhm_px=psf_fwhm_px, gain_e_per_unit=gain)
    measure(Tile(tile.science, tile.rms, tile.mask, None, meta), *POSITIONS, model)
    return model.task.conditions[-1].numpy()


def wide_model() -> Model:
    """Trained on PSFs of up to twice and noise of up to four times the survey's."""
    return Model(nn.Identity(), CentralPixelTask(), card_of((0.0, 1.0), (0.0, 2.0)))


def test_a_tile_like_the_survey_has_no_conditions():
    assert not conditions(wide_model()).any()


@pytest.mark.parametrize(
    ("psf", "factor", "expected"),
    [
        (3.0, 1.0, (np.log2(1.5), 0.0)),
        (2.0, 2.0, (0.0, 1.0)),
        (4.0, 4.0, (1.0, 2.0)),
        # What the network was not trained on is the nearest that it knows.
        (9.0, 64.0, (1.0, 2.0)),
        (1.0, 0.5, (0.0, 0.0)),
    ],
)
def test_psf_and_noise_over_the_surveys_are_told_within_what_was_trained(psf, factor, expected):
    rms = np.full((64, 64), factor * RMS, dtype=np.float32)

    np.testing.assert_allclose(conditions(wide_model(), psf, rms=rms), [expected] * 5, atol=1e-6)


def test_the_noise_counts_in_electrons():
    # Twice the gain: twice as many electrons in one rms.
    np.testing.assert_allclose(conditions(wide_model(), gain=200.0)[:, 1], 1.0, atol=1e-6)


def test_a_model_of_one_survey_is_told_nothing(oracle):
    assert not conditions(oracle, psf_fwhm_px=3.0, rms=np.full((64, 64), 9.0, dtype=np.float32)).any()


def test_quantiles_are_in_image_units_and_calibrated():
    task = build_task(FluxTaskConfig(kind="flux"), 2.0)
    network = build_network(CnnConfig(kind="cnn", widths=(8, 8), rings=8, angles=8), task.values, INPUT_PX)
    card, random = card_of(), np.random.default_rng(0)
    card.calibration = Calibration(
        log_scale_edges=(), quantiles=((-4.0, -2.0, 0.0, 1.0, 3.0),), galaxies=1000
    )
    tile = make_tile(science=random.normal(20, RMS, (64, 64)).astype(np.float32))
    columns = measure(tile, *POSITIONS, Model(network.eval(), task, card))
    scale = float(scale_of(torch.zeros(1)))

    # An untrained network gives the light in the aperture and a scale of 14 %.
    for name, score in (("q025", -4), ("q16", -2), ("q84", 1), ("q975", 3)):
        np.testing.assert_allclose(
            columns[f"flux_{name}"], columns["flux"] * np.exp(score * scale), rtol=1e-5
        )
    ends = columns["flux_q84"] - columns["flux_q16"]
    np.testing.assert_allclose(columns["flux_err"], ends / 2, rtol=1e-5)
    # Of 6 px radius on a level of 20 units.
    np.testing.assert_allclose(columns["flux"], 20 * task.anchor.area_px, rtol=0.02)


def test_an_empty_list_gives_empty_columns(oracle):
    columns = measure(make_tile(), np.empty(0), np.empty(0), oracle)

    assert {name: values.shape for name, values in columns.items()} == {
        "flux": (0,),
        "flux_err": (0,),
        "flags": (0,),
    }


def test_edges_and_masks_are_no_matter_of_the_network(oracle):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[20, 22], mask[44, 40] = int(MaskBit.BAD), int(MaskBit.SATURATED)
    x, y = np.array([20.0, 40.0, 1.0]), np.array([20.0, 44.0, 30.0])

    assert not measure(make_tile(mask=mask), x, y, oracle)["flags"].any()


def test_a_position_off_the_tile_fails_alone(oracle):
    columns = measure(make_tile(), np.array([20.0, 500.0]), np.array([20.0, 20.0]), oracle)

    assert columns["flux"][0] == pytest.approx(1e3) and np.isnan(columns["flux"][1])
    assert columns["flags"].tolist() == [0, int(Flag.FAILED)]


def test_bad_pixels_are_filled_from_good_ones_and_saturated_ones_kept(oracle):
    science = np.full((64, 64), 10.0, dtype=np.float32)
    mask = np.zeros((64, 64), dtype=np.uint8)
    science[20, 20], mask[20, 20] = 1e6, int(MaskBit.BAD)
    science[20, 40], mask[20, 40] = 500.0, int(MaskBit.SATURATED)
    science[40, 20], mask[40, 20] = np.nan, 0
    columns = measure(make_tile(science=science, mask=mask), *POSITIONS, oracle)

    np.testing.assert_allclose(columns["flux"], [10.0, 500.0, 10.0, 10.0, 10.0], rtol=1e-6)
    assert np.isfinite(columns["flux_err"]).all()


def test_holes_are_blank_sky(oracle):
    science = np.full((64, 64), 10.0, dtype=np.float32)
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[15:26, 15:26], science[15:26, 15:26] = int(MaskBit.NO_DATA), 0.0
    columns = measure(make_tile(science=science, mask=mask), *POSITIONS, oracle)

    assert columns["flux"][0] == 0.0


def test_the_noise_of_bad_pixels_does_not_count(oracle):
    rms, mask = np.full((64, 64), RMS, dtype=np.float32), np.zeros((64, 64), dtype=np.uint8)
    # Most of the first stamp is bad, with a noise that means 'no weight'.
    rms[12:24, 12:28], mask[12:24, 12:28] = 1e9, int(MaskBit.BAD)
    science = np.full((64, 64), 10.0, dtype=np.float32)
    measure(make_tile(science=science, rms=rms, mask=mask), np.array([20.0]), np.array([20.0]), oracle)

    # The last row of the stamp (y = 27) is good and is 10 / 2 in units of the good pixels' noise.
    assert float(oracle.task.images[0][0, 0, -1, 0]) == pytest.approx(5.0)


def test_a_stamp_without_any_usable_noise_fails(oracle):
    rms = np.zeros((64, 64), dtype=np.float32)
    columns = measure(make_tile(rms=rms), *POSITIONS, oracle)

    assert np.isnan(columns["flux"]).all() and (columns["flags"] == int(Flag.FAILED)).all()


def test_flags_of_the_task_are_kept(oracle):
    oracle.task.columns = lambda outputs, image, calibration: {
        "flux": outputs[:, 0, 0, 0],
        "flux_err": outputs[:, 0, 0, 0],
        "flags": torch.full((len(image),), int(Flag.BLENDED), dtype=torch.int32),
    }

    assert (measure(make_tile(), *POSITIONS, oracle)["flags"] == int(Flag.BLENDED)).all()
