from __future__ import annotations

import torch

from skymill.models.outputs import Maps
from skymill.tasks.peaks import find_peaks


def maps(centre: torch.Tensor, offset=(0.0, 0.0)) -> Maps:
    shift = torch.tensor(offset)[None, :, None, None].expand(len(centre), 2, *centre.shape[1:])
    return Maps(centre, shift, torch.zeros_like(centre))


def test_peaks_are_local_maxima_above_the_limit():
    centre = torch.full((2, 12, 12), -9.0)
    centre[0, 3, 4], centre[0, 3, 5] = 2.0, 1.5  # a shoulder is no peak
    centre[0, 8, 8] = -1.0
    centre[1, 0, 11] = 3.0
    peaks = find_peaks(maps(centre), least_logit=0.0)

    assert peaks.owner.tolist() == [0, 1]
    assert peaks.y.tolist() == [3, 0] and peaks.x.tolist() == [4, 11]
    assert peaks.logit.tolist() == [2.0, 3.0]
    assert len(find_peaks(maps(centre), least_logit=-2.0).owner) == 3


def test_peaks_two_pixels_apart_are_two():
    centre = torch.full((1, 8, 8), -9.0)
    centre[0, 4, 2] = centre[0, 4, 4] = 1.0

    assert find_peaks(maps(centre), 0.0).x.tolist() == [2, 4]


def test_offsets_are_added_and_cut():
    centre = torch.full((1, 8, 8), -9.0)
    centre[0, 4, 2] = 1.0
    peaks = find_peaks(maps(centre, (0.3, -7.0)), 0.0)

    torch.testing.assert_close(peaks.y, torch.tensor([4.3]))
    torch.testing.assert_close(peaks.x, torch.tensor([1.0]))


def test_no_peaks():
    assert len(find_peaks(maps(torch.full((1, 8, 8), -9.0)), 0.0).logit) == 0
