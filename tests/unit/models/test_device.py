from __future__ import annotations

import pytest
import torch

from skymill.errors import ConfigError
from skymill.models.device import choose_device, describe_device


def test_a_gpu_is_taken_when_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert choose_device("auto").type == choose_device("gpu").type == "cuda"
    assert choose_device("cpu").type == "cpu"


def test_without_a_gpu_the_cpu_is_taken_unless_a_gpu_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert choose_device("auto").type == "cpu"
    with pytest.raises(ConfigError, match="expected a CUDA GPU, found none"):
        choose_device("gpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(ConfigError, match="one of: auto, cpu, gpu, found 'tpu'"):
        choose_device("tpu")


def test_the_cpu_is_described_with_its_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    assert describe_device(torch.device("cpu")) == "cpu, 2 threads"
