from __future__ import annotations

import pytest
import torch

from skymill.models.inputs import CONDITIONS, StampInputs, mirrored, pixel_channels


def stamps(n: int, size: int) -> torch.Tensor:
    return torch.randn(n, size, size, generator=torch.Generator().manual_seed(size))


@pytest.mark.parametrize("size", [15, 16])
def test_mirroring_is_a_half_turn_about_the_centre(size: int):
    image = stamps(1, size)
    turned, middle = mirrored(image), size // 2

    for y, x in [(0, 0), (1, -3), (5, 2), (-7, 7)]:
        assert turned[0, middle + y, middle + x] == image[0, middle - y, middle - x]
    assert torch.equal(mirrored(turned), image)


def test_the_lower_of_both_sides_takes_a_neighbour_away():
    image = torch.zeros(1, 16, 16)
    image[0, 8, 8], image[0, 6, 12] = 50.0, 900.0
    lower = torch.minimum(image, mirrored(image))

    assert lower[0, 8, 8] == 50.0
    assert float(lower.sum()) == 50.0


def test_channels_in_the_galaxys_own_brightness_look_the_same_at_any_flux():
    image, factor = stamps(1, 16).abs(), torch.tensor([[[1.0]], [[300.0]]])
    inputs = StampInputs(image * factor, 2.0 * factor[:, 0, 0], torch.zeros(2, len(CONDITIONS)))
    channels = pixel_channels(inputs)

    assert channels.shape == (2, 6, 16, 16)
    torch.testing.assert_close(channels[0, [3, 5]], channels[1, [3, 5]])
    assert not torch.allclose(channels[0, 0], channels[1, 0])
    torch.testing.assert_close(channels[1, 1], torch.asinh(inputs.image[1] / 10))
