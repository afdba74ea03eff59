"""The network that docs/add-a-model.md adds works as it is written there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
import torch
from pydantic import TypeAdapter

from skymill.models.inputs import StampInputs

# What the two files of the page have at their top already; the registry is one of the test's own.
IMPORTS = """
from itertools import pairwise
from typing import Annotated, ClassVar, Literal
from pydantic import Field
from torch import nn
from skymill.config.base import ConfigModel
from skymill.config.network import BranchedConfig, CnnConfig, UnetConfig, Widths
from skymill.models.inputs import StampInputs, pixel_channels
from skymill.models.outputs import Outputs
from skymill.models.unet import CHANNELS, down
from skymill.registry import Registry
MODELS = Registry("network")
"""


@pytest.fixture
def example(repository: Path, tmp_path: Path) -> ModuleType:
    """The blocks of the page, one after the other."""
    page = (repository / "docs" / "add-a-model.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text("\n\n".join([IMPORTS, *map(dedent, blocks)]))
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_learns(example: ModuleType):
    config = TypeAdapter(example.NetworkConfig).validate_python({"kind": "pool", "widths": [8, 16]})
    torch.manual_seed(0)
    network = example.MODELS["pool"](config, 2, 32)
    inputs = StampInputs(torch.randn(8, 32, 32), torch.rand(8) + 0.1, torch.zeros(8, 2))
    target = torch.linspace(-1, 1, 16).reshape(8, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = (network(inputs).values - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert config.stride == 4 and len(network.stages) == 3
    assert losses[0] == pytest.approx(float(target.abs().mean()))
    assert losses[-1] < 0.5 * losses[0]
