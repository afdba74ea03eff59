from __future__ import annotations

from math import exp, pi

import pytest
import torch

from skymill.tasks.anchor import Anchor, circular_aperture


@pytest.mark.parametrize(("radius", "tolerance"), [(2.0, 0.05), (3.0, 0.01), (4.5, 0.01), (9.0, 0.01)])
def test_the_aperture_has_the_area_of_its_circle(radius: float, tolerance: float):
    aperture = circular_aperture(radius)

    assert float(aperture.sum()) == pytest.approx(pi * radius**2, rel=tolerance)
    assert torch.equal(aperture, aperture.T) and torch.equal(aperture, aperture.flip(0))


@pytest.mark.parametrize("radius", [3.0, 4.5, 8.0])
@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_the_light_in_a_circle_of_a_gaussian(galaxies, radius: float, sigma: float):
    light = Anchor(radius, floor_sigma=3.0)(galaxies(torch.tensor([1e4, 1e6]), sigma))
    expected = 1 - exp(-(radius**2) / (2 * sigma**2))

    # The soft edge and square pixels cost up to 2.5 % where the profile is steep at the edge.
    torch.testing.assert_close(light, expected * torch.tensor([1e4, 1e6]), rtol=0.025, atol=0)


def test_light_beside_the_circle_does_not_count(galaxies):
    anchor = Anchor(3.0, floor_sigma=1e-3)
    one = galaxies(torch.tensor([1e4]))

    torch.testing.assert_close(
        anchor(one + galaxies(torch.tensor([1e5]), x=12)), anchor(one), rtol=1e-4, atol=0
    )


def test_the_floor_is_a_few_sigma_of_the_apertures_noise():
    anchor = Anchor(4.5, floor_sigma=3.0)
    noise = torch.randn(4000, 1, 17, 17, generator=torch.Generator().manual_seed(0))
    light = Anchor(4.5, floor_sigma=-1e9)(noise)

    # 4000 draws know a standard deviation to 1.1 %.
    assert float(light.std()) == pytest.approx(anchor.noise, rel=0.04)
    assert anchor(-noise.abs()).tolist() == pytest.approx([3 * anchor.noise] * 4000)


def test_an_aperture_larger_than_the_stamp_is_cut(galaxies):
    stamps = galaxies(torch.tensor([100.0]))
    whole = Anchor(60.0, floor_sigma=1e-3)(stamps)

    # The first row and column have no partner and are left out.
    assert float(whole) == pytest.approx(100.0, rel=1e-3)


def test_the_first_band_counts(galaxies):
    one, other = galaxies(torch.tensor([1e4])), galaxies(torch.tensor([5e4]))
    anchor = Anchor(3.0, 3.0)

    assert torch.equal(anchor(torch.cat([one, other], dim=1)), anchor(one))
