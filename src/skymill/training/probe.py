"""A probe: what a model gives for images that never change.

Weights are numbers; what they mean is in the code. A model carries what it gave for a few images when it was made, and
whoever loads it compares: a change of the code that changes the results is found before a catalogue is written.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skymill.models.inputs import CONDITIONS
from skymill.tasks.calibration import Calibration
from skymill.tasks.detection import DetectionTask
from skymill.tasks.registry import Task

RELATIVE_TOLERANCE = 5e-3
"""Devices and versions of torch round differently; weights kept at half precision differ by 0.05 %."""
PROBED = ("flux", "flux_q16", "flux_q84")
GALAXIES = ((300.0, 2.0, 0.0), (3000.0, 4.0, 6.0), (30000.0, 3.0, 12.0))
"""Flux (background rms) and sigma (px) of the galaxy at the centre, and distance (px) of its neighbour of half the
flux; 0: none."""


FAINTER = 0.1
"""What finds sources is probed with galaxies at this part of those fluxes: signal to noise 4 to 280."""


def probe_stamps(size_px: int) -> Tensor:
    """Return Gaussian galaxies and neighbours without noise, background rms: (3, 1, size_px, size_px)."""
    offset = torch.arange(size_px, dtype=torch.float64) - size_px // 2
    y, x = offset[:, None], offset[None, :]
    stamps = []
    for flux, sigma, distance in GALAXIES:
        unit = flux / (2 * torch.pi * sigma**2)
        light = unit * torch.exp(-(x**2 + y**2) / (2 * sigma**2))
        if distance:
            light += 0.5 * unit * torch.exp(-((x - distance) ** 2 + y**2) / (2 * sigma**2))
        stamps.append(light)
    return torch.stack(stamps)[:, None].float()


@torch.no_grad()
def probe(
    network: nn.Module, task: Task, calibration: Calibration | None, input_px: int
) -> tuple[float, ...]:
    """Return what a model gives for the stamps: fluxes and both ends of the 68 % interval, background rms.

    One that draws pictures is shown the stamps as levels: the mean and the middle pixel of each picture.
    """
    parameter = next(network.parameters())
    stamps = probe_stamps(input_px).to(parameter.device)
    condition = torch.zeros((len(stamps), len(CONDITIONS)), device=parameter.device)
    was_training = network.training
    outputs = network.eval()(task.inputs(stamps, condition))
    network.train(was_training)
    if not task.config.measures:
        middle = outputs.layers[:, :, input_px // 2, input_px // 2]
        return tuple(torch.cat([outputs.layers.mean(dim=(2, 3)), middle]).flatten().tolist())
    columns = task.columns(outputs, stamps, calibration)
    return tuple(float(value) for name in PROBED for value in columns[name])


@torch.no_grad()
def probe_finder(network: nn.Module, task: DetectionTask, input_px: int) -> tuple[float, ...]:
    """Return what a network that finds sources gives for fainter ones of the same galaxies.

    For each image: the chance of a centre where the galaxy is, the sum of these chances over all pixels, that of the
    chances that a pixel belongs to a source, and the mean size of the offsets, px.
    """
    device = next(network.parameters()).device
    images = FAINTER * probe_stamps(input_px).to(device)
    was_training = network.training
    maps = network.eval()(task.inputs(images))
    network.train(was_training)
    chance, middle = maps.centre.sigmoid(), input_px // 2
    figures = (
        chance[:, middle, middle],
        chance.sum(dim=(1, 2)),
        maps.segment.sigmoid().sum(dim=(1, 2)),
        maps.offset.abs().mean(dim=(1, 2, 3)),
    )
    return tuple(torch.stack(figures, dim=1).flatten().tolist())


def differs(found: tuple[float, ...], expected: tuple[float, ...]) -> bool:
    """Whether two probes differ by more than rounding."""
    return len(found) != len(expected) or not torch.allclose(
        torch.tensor(found), torch.tensor(expected), rtol=RELATIVE_TOLERANCE
    )
