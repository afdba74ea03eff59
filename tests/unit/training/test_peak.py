from __future__ import annotations

import math

import pytest
import torch

from skymill.training.peak import peak_offset

SIGMA, REACH = 1.4, 5


def galaxy(x: float, y: float, flux: float = 1.0, sigma: float = 1.4, size: int = 41) -> torch.Tensor:
    """A Gaussian at (x, y) from the middle pixel: (size, size)."""
    offset = torch.arange(size) - size // 2
    squared = (offset[:, None] - y) ** 2 + (offset[None, :] - x) ** 2
    return flux * torch.exp(-squared / (2 * sigma**2)) / (2 * math.pi * sigma**2)


def offset_of(central: torch.Tensor, neighbours: torch.Tensor) -> tuple[int, int]:
    """The offset of one blend as (y, x)."""
    return tuple(peak_offset(torch.stack([central, neighbours])[None], SIGMA, REACH)[0].tolist())


def test_a_galaxy_alone_stays_whatever_its_brightest_knot():
    lopsided = galaxy(0, 0, sigma=4.0) + galaxy(3, 1, flux=0.4)
    assert offset_of(lopsided, torch.zeros_like(lopsided)) == (0, 0)


def test_an_unresolved_pair_is_seen_between_the_two_and_is_the_brighter_ones():
    bright, faint = galaxy(0, 0, flux=1.2), galaxy(3, 0, flux=1.0)
    assert offset_of(bright, faint) == (0, 1)
    # Looked at from the fainter one: it is not the one that is seen, and stays.
    assert offset_of(galaxy(0, 0, flux=1.0), galaxy(-3, 0, flux=1.2)) == (0, 0)


def test_y_is_y():
    assert offset_of(galaxy(0, 0, flux=1.2), galaxy(0, 3, flux=1.0)) == (1, 0)


def test_a_resolved_pair_stays():
    assert offset_of(galaxy(0, 0), galaxy(8, 0, flux=3.0)) == (0, 0)


def test_a_faint_neighbour_moves_nothing():
    assert offset_of(galaxy(0, 0), galaxy(3, 0, flux=0.05)) == (0, 0)


def test_no_farther_than_the_reach():
    """The peak of a wide slope is out of reach: as many steps as allowed are taken towards it, no more."""
    central, slope = galaxy(0, 0, sigma=6.0, flux=2.0), galaxy(12, 0, sigma=6.0, flux=2.5)
    y, x = peak_offset(torch.stack([central, slope])[None], SIGMA, 3)[0].tolist()
    assert (y, x) == (0, 3)


def test_each_blend_for_itself():
    one = torch.stack([galaxy(0, 0, flux=1.2), galaxy(3, 0)])
    other = torch.stack([galaxy(0, 0, flux=1.2), galaxy(0, -3)])
    assert peak_offset(torch.stack([one, other]), SIGMA, REACH).tolist() == [[0, 1], [-1, 0]]


@pytest.mark.parametrize("size", [13, 21])
def test_small_windows_give_the_same(size: int):
    blend = torch.stack([galaxy(0, 0, flux=1.2), galaxy(3, 0)])
    cut = slice(20 - size // 2, 21 + size // 2)
    assert peak_offset(blend[None, :, cut, cut], SIGMA, REACH).tolist() == [[0, 1]]
