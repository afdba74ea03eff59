"""The networks, by name."""

from __future__ import annotations

from torch import nn

from skymill.registry import Registry

MODELS: Registry[type[nn.Module]] = Registry("network")
"""Each entry is called with its options (the class of that `kind` in :mod:`skymill.config.train`), the number of output
values and the stamps' side in pixels; it turns :class:`~skymill.models.inputs.StampInputs` into
:class:`~skymill.models.outputs.Outputs`."""
