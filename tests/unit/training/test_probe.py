"""A model carries what it gives for stamps that never change."""

import pytest
import torch

from skymill.config.finder import DetectionTaskConfig, DetectionUnetConfig
from skymill.config.network import CnnConfig
from skymill.config.train import FluxTaskConfig
from skymill.models.build import build_network
from skymill.models.detection_unet import DetectionUnet
from skymill.tasks.build import build_task
from skymill.tasks.calibration import laplace
from skymill.tasks.detection import DetectionTask
from skymill.training.probe import GALAXIES, PROBED, differs, probe, probe_finder, probe_stamps


@pytest.fixture
def network():
    torch.manual_seed(3)
    network = build_network(CnnConfig(kind="cnn", rings=8, angles=8, widths=(8, 8), dense=8), 2, 32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture
def task():
    return build_task(FluxTaskConfig(kind="flux"), psf_fwhm_px=3.0)


def test_stamps_hold_the_light_that_they_should():
    stamps = probe_stamps(128)
    assert stamps.shape == (len(GALAXIES), 1, 128, 128)
    wanted = [flux * (1.5 if distance else 1.0) for flux, _, distance in GALAXIES]
    assert stamps.sum(dim=(1, 2, 3)).tolist() == pytest.approx(wanted, rel=1e-3)
    assert (stamps[:, 0, 64, 64] > stamps[:, 0, 64, 70]).all()


def test_the_same_network_gives_the_same_and_stays_as_it_was(network, task):
    network.train()
    first = probe(network, task, laplace(), 32)
    assert network.training
    assert first == probe(network, task, laplace(), 32)
    assert len(first) == len(PROBED) * len(GALAXIES)
    assert not differs(first, first)


def test_half_precision_is_no_difference_and_another_weight_is(network, task):
    before = probe(network, task, laplace(), 32)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
    assert not differs(probe(network, task, laplace(), 32), before)
    with torch.no_grad():
        network.polar.head.bias += 0.02
    assert differs(probe(network, task, laplace(), 32), before)


def test_probes_of_another_length_differ():
    assert differs((1.0, 2.0), (1.0, 2.0, 3.0))


def test_a_finder_is_probed_with_chances_segments_and_offsets():
    torch.manual_seed(3)
    network = DetectionUnet(DetectionUnetConfig(widths=(8, 8)), 3).train()
    task = DetectionTask(DetectionTaskConfig(), psf_fwhm_px=3.0)
    # Untrained: a chance of 0.01 everywhere, a segment's of a half, no offset.
    untrained = [0.01, 0.01 * 32**2, 0.5 * 32**2, 0.0] * len(GALAXIES)
    assert probe_finder(network, task, 32) == pytest.approx(untrained, rel=1e-4)
    assert network.training
    torch.nn.init.normal_(network.head.weight)
    before = probe_finder(network, task, 32)
    assert not differs(probe_finder(network, task, 32), before)
    for parameter in (network.head.weight, network.head.bias):
        with torch.no_grad():
            parameter[0] += 0.1
        assert differs(probe_finder(network, task, 32), before)
        before = probe_finder(network, task, 32)
    task.config = task.config.model_copy(update={"softening_rms": (2.0, 10.0, 100.0)})
    assert differs(probe_finder(network, task, 32), before)
