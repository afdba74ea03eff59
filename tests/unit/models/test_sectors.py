"""Sectors against areas and sums that are known without them."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
from photutils.aperture import CircularAperture

from skymill.models.sectors import INNER_RADIUS_PX, Sectors, sector_weights

SIZES = (21, 32)


def radii(size: int, rings: int) -> np.ndarray:
    """Outer radii of the rings."""
    return np.geomspace(INNER_RADIUS_PX, size / 2, rings)


def random_stamps(n: int, size: int) -> torch.Tensor:
    return torch.rand(n, size, size, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(("rings", "angles"), [(4, 8), (12, 16), (24, 32)])
@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_within_the_last_ring_is_shared_out_whole(size: int, rings: int, angles: int):
    shared = sector_weights(size, rings, angles).sum(dim=0)
    offset = torch.arange(size) - size // 2
    corner = torch.hypot(offset[:, None].abs() + 0.5, offset[None, :].abs() + 0.5)

    torch.testing.assert_close(shared[corner < size / 2], torch.ones(int((corner < size / 2).sum())))
    assert not shared[corner > size / 2 + 1.5].any()
    assert shared.max() <= 1 + 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_rings_have_the_area_of_their_annuli(size: int):
    area = sector_weights(size, 10, 8).sum(dim=(1, 2)).view(10, 8).sum(dim=1)
    outer = radii(size, 10)
    expected = pi * np.diff(outer**2, prepend=0.0)

    # An even stamp has half a pixel less on two of its sides, which the last ring lacks.
    np.testing.assert_allclose(area[:-1], expected[:-1], rtol=0.05, atol=0.02)
    assert float(area[-1]) == pytest.approx(expected[-1], rel=0.02 if size % 2 else 0.1)


def test_all_sectors_of_a_ring_are_alike():
    area = sector_weights(33, 12, 16).sum(dim=(1, 2)).view(12, 16)

    # Of each eighth of the circle the pixels are the same but for a mirror or a turn.
    torch.testing.assert_close(area, area.roll(4, dims=1), rtol=0, atol=1e-4)
    torch.testing.assert_close(area, area.flip(1).roll(1, dims=1), rtol=0, atol=1e-4)
    # Sectors of the outer half of the rings are larger than 2 px: their borders are known to a few per cent.
    np.testing.assert_allclose(area[6:] / area[6:].mean(dim=1, keepdim=True), 1.0, atol=0.06)


@pytest.mark.parametrize(("x", "y", "quarter"), [(6, 0, 0), (0, 6, 1), (-6, 0, 2), (0, -6, 3)])
def test_angles_run_from_x_towards_y(x: int, y: int, quarter: int):
    stamp = torch.zeros(1, 21, 21)
    stamp[0, 10 + y, 10 + x] = 1.0
    by_angle = Sectors(21, rings=8, angles=16)(stamp)[0].sum(dim=0)

    # The first sector lies astride the x axis.
    assert int(by_angle.argmax()) == 4 * quarter


def test_a_known_annulus_fills_its_rings_only():
    sectors = Sectors(41, rings=8, angles=8)
    inner, outer = radii(41, 8)[[4, 5]]
    offset = torch.arange(41) - 20
    distance = torch.hypot(offset[:, None].float(), offset[None, :].float())
    stamp = ((distance > inner + 0.8) & (distance < outer - 0.8)).float()[None]
    means = sectors(stamp)[0]

    assert (means[5] > 0.4).all()
    assert not means[:5].any() and not means[6:].any()


@pytest.mark.parametrize("size", SIZES)
def test_a_flat_stamp_has_its_value_in_every_sector(size: int):
    sectors = Sectors(size, rings=12, angles=32)
    means = sectors(torch.full((2, size, size), 7.0))
    has_area = sectors.area > 0

    torch.testing.assert_close(means[:, has_area], torch.full((2, int(has_area.sum())), 7.0))


def test_growth_is_the_light_in_circular_apertures():
    sectors, stamps = Sectors(41, rings=10, angles=16), random_stamps(3, 41)
    growth = sectors.growth(sectors(stamps))
    apertures = [CircularAperture((20, 20), radius) for radius in radii(41, 10)]
    expected = [[float(one.do_photometry(stamp.numpy())[0][0]) for one in apertures] for stamp in stamps]

    # 16 x 16 points a pixel know the area of a small circle to a few per cent, of larger ones to better than 1 %.
    np.testing.assert_allclose(growth[:, 3:], np.array(expected)[:, 3:], rtol=0.01)
    np.testing.assert_allclose(growth, expected, rtol=0.06)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("inner", [8, 11, 16])
def test_a_window_is_the_whole_stamp_where_there_is_no_light_outside(size: int, inner: int):
    light = torch.zeros(2, size, size)
    first = size // 2 - inner // 2
    middle = slice(first, first + inner)
    light[:, middle, middle] = random_stamps(2, inner)
    whole, part = Sectors(size, 12, 16), Sectors(size, 12, 16, window_px=inner)

    torch.testing.assert_close(part(light[:, middle, middle]), whole(light))
    assert torch.equal(part.area, whole.area)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("angles", [8, 32])
def test_a_quarter_turn_rolls_the_sectors(angles: int, turns: int):
    sectors, stamps = Sectors(33, rings=12, angles=angles), random_stamps(3, 33)
    # From the axis of x (the last) towards that of y.
    turned = torch.rot90(stamps, turns, dims=(2, 1))

    torch.testing.assert_close(
        sectors(turned), sectors(stamps).roll(turns * angles // 4, dims=2), rtol=1e-5, atol=1e-5
    )


def test_the_lower_of_opposite_sectors_keeps_what_is_symmetric():
    means = torch.rand(2, 5, 8, generator=torch.Generator().manual_seed(0))
    lower = Sectors(21, 5, 8).opposite(means)

    assert torch.equal(lower, lower.roll(4, dims=2))
    assert torch.equal(lower[:, :, 1], torch.minimum(means[:, :, 1], means[:, :, 5]))


def test_weights_of_sectors_are_no_part_of_a_models_file():
    assert not Sectors(21, 8, 8).state_dict()
