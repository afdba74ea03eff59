"""Pictures of 8 bits: the stretch, the losses, the figures of validation."""

from __future__ import annotations

from math import asinh, log, log10

import numpy as np
import pytest
import torch

from skymill.config.pictures import StretchConfig
from skymill.metrics.images import linear, ssim
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.metrics import PictureMetrics
from skymill.tasks.pictures import ROUNDING, log_error, picture, similarity

ROUND = StretchConfig(black_rms=0.0, white_rms=100.0, softening_rms=10.0)


def noisy(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).float()


def batch_of(central: torch.Tensor, other: torch.Tensor) -> Batch:
    nothing = torch.zeros(len(central))
    blend = torch.maximum(central, other)
    return Batch(blend, nothing[:, None], torch.zeros(len(central), 2), central, other, nothing)


@pytest.mark.parametrize(
    ("light", "level"),
    [
        (0.0, 0),
        (100.0, 255),
        # Beyond both ends it is cut off.
        (-5.0, 0),
        (1e9, 255),
        # 255 arsinh(1) / arsinh(10) = 74.96; 255 arsinh(0.1) / arsinh(10) = 8.49.
        (10.0, 75),
        (1.0, 8),
    ],
)
def test_levels_of_known_pixels(light: float, level: int):
    assert picture(torch.tensor([light]), ROUND).item() == level


def test_black_lies_below_the_sky_by_default():
    stretch = StretchConfig()
    black, white = asinh(-3 / 20), asinh(500 / 20)
    sky = picture(torch.zeros(1), stretch).item()

    assert sky == round(255 * -black / (white - black)) == 9
    # The noise of blank sky is three levels.
    noise = picture(torch.randn(100_000, generator=torch.Generator().manual_seed(1)), stretch).std()
    assert noise.item() == pytest.approx(255 / 20 / (white - black), rel=0.02)


def test_white_is_brighter_than_black():
    with pytest.raises(ValueError, match="white_rms: expected more than black_rms, found 2"):
        StretchConfig(black_rms=2.0, white_rms=2.0)


def test_the_error_is_the_psnr():
    true = noisy(2, 2, 2, 16, 16).clamp(max=245)
    found = log_error(true + 10.0, true)

    # 20 log10(255 / 10) = 28.13 dB, in units of 20 / ln 10 = 8.686 dB; rounding adds 1 / 12 of a level squared.
    assert found.shape == (2, 2)
    assert found.flatten().tolist() == pytest.approx([-28.1308 / 8.685890] * 4, abs=5e-4)
    assert log_error(true, true).flatten().tolist() == pytest.approx([log(ROUNDING / 255)] * 4, abs=1e-5)


def test_the_similarity_is_that_of_the_report():
    true, drawn = noisy(3, 2, 1, 24, 30), noisy(4, 2, 1, 24, 30)
    drawn = 0.7 * true + 0.3 * drawn
    expected = ssim(drawn[:, 0].numpy(), true[:, 0].numpy(), data_range=255.0, background=0.0, stretch=linear)

    np.testing.assert_allclose(similarity(drawn, true)[:, 0].numpy(), expected, atol=2e-4)
    torch.testing.assert_close(similarity(true, true), torch.ones(2, 1))


@pytest.mark.parametrize("name", ["error_weight", "similarity_weight"])
def test_each_loss_counts_both_pictures_and_reaches_what_is_drawn(make_task, name: str):
    weights = dict.fromkeys(("error_weight", "similarity_weight"), 0.0) | {name: 2.0}
    task, one = make_task("pictures", **weights), make_task("pictures", **weights | {name: 1.0})
    batch = batch_of(noisy(5, 3, 1, 16, 16), noisy(6, 3, 1, 16, 16))
    true = torch.stack(batch.layers(16), dim=1)
    drawn = (true + 5.0).requires_grad_()
    outputs = Outputs(torch.zeros(3, 0), layers=drawn)
    loss = task.loss(outputs, batch)
    loss.backward()

    assert drawn.grad.flatten(2).any(dim=2).all()
    assert loss.item() == pytest.approx(2 * one.loss(outputs, batch).item(), rel=1e-5)
    for place in range(2):
        worse = true.clone()
        worse[:, place] += 20.0
        better = task.loss(Outputs(torch.zeros(3, 0), layers=true), batch)
        assert task.loss(Outputs(torch.zeros(3, 0), layers=worse), batch) > better


def test_what_has_no_weight_is_not_computed(make_task):
    task = make_task("pictures", error_weight=0.0, similarity_weight=1.0)
    # There is no SSIM of pictures smaller than its window: only the other loss can be had of them.
    batch = batch_of(noisy(5, 1, 1, 8, 8), noisy(6, 1, 1, 8, 8))
    outputs = Outputs(torch.zeros(1, 0), layers=torch.stack(batch.layers(8), dim=1) + 1)

    assert torch.isfinite(make_task("pictures", similarity_weight=0.0).loss(outputs, batch))
    with pytest.raises(RuntimeError):
        task.loss(outputs, batch)


def test_the_input_is_the_picture_and_its_middle_level(make_task):
    image = torch.zeros(1, 1, 32, 32)
    image[..., 12:20, 12:20] = 100.0
    found = make_task("pictures").inputs(image, torch.zeros(1, 2))

    assert torch.equal(found.image, image[:, 0]) and found.brightness.tolist() == [100.0]
    # An empty middle has a brightness to divide by.
    assert make_task("pictures").inputs(0 * image, torch.zeros(1, 2)).brightness.tolist() == [1.0]


def test_figures_of_validation():
    central, other = torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10)
    central[..., 2, 2], other[..., 7, 7] = 200.0, 100.0
    batch, metrics = batch_of(central, other), PictureMetrics()
    # Drawn as they are but for a level of 5.4 where there is none, which counts as 5.
    drawn = torch.stack(batch.layers(10), dim=1)
    drawn[:, :, 5, 5] = 5.4
    metrics.update(Outputs(torch.zeros(1, 0), layers=drawn), batch)
    found = metrics.compute()

    # One pixel in a hundred is off by 5; in the blend it is that of the other galaxy.
    assert found["picture_psnr"] == pytest.approx(20 * log10(255 / 0.5), abs=1e-4)
    undone = [20 * log10(255 / 10), 20 * log10(255 / 20)]
    assert found["blend_picture_psnr"] == pytest.approx(np.mean(undone), abs=1e-4)
    metrics.reset()
    metrics.update(Outputs(torch.zeros(1, 0), layers=torch.stack(batch.layers(10), dim=1)), batch)
    assert metrics.compute()["picture_psnr"] == pytest.approx(20 * log10(255 / 0.1), abs=1e-4)
