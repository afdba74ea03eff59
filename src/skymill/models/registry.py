"""The networks, by name."""

from __future__ import annotations

from torch import nn

from skymill.registry import Registry

MODELS: Registry[type[nn.Module]] = Registry("network")
"""Each entry is called with its options (the class of that `kind` in :mod:`skymill.config.train`), the number of input
channels, the number of output values and the input's side in pixels; it gives
:class:`~skymill.models.outputs.Outputs`."""
