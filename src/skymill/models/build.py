"""Make a network from its options."""

from __future__ import annotations

import torch
from torch import nn

from skymill.config.generator import GeneratorNetwork
from skymill.config.network import AnyNetwork, EnsembleNetwork
from skymill.models import branched, branched_pictures, cnn, unet, wgan  # noqa: F401  (imported for their registration)
from skymill.models.ensemble import Ensemble
from skymill.models.registry import MODELS
from skymill.models.vae import GENERATORS, GalaxyNetwork


def build_network(config: AnyNetwork, values: int, input_px: int) -> nn.Module:
    """Make the network that `config` names, in the memory layout that convolutions are fastest in.

    Parameters
    ----------
    config : NetworkConfig or EnsembleNetwork
        Options, with the registered name as `kind`.
    values : int
        Numbers to give for each stamp; the task knows how many.
    input_px : int
        Side of the stamps.

    Returns
    -------
    torch.nn.Module
        From :class:`~skymill.models.inputs.StampInputs` to :class:`~skymill.models.outputs.Outputs`; random weights.
    """
    if isinstance(config, EnsembleNetwork):
        return Ensemble([build_network(member, values, input_px) for member in config.members])
    network = MODELS[config.kind](config, values, input_px)
    return network.to(memory_format=torch.channels_last)


def build_generator(config: GeneratorNetwork, stamp_px: int) -> GalaxyNetwork:
    """Make the network that draws galaxies which `config` names, for stamps of some side; random weights."""
    return GENERATORS[config.kind](config, stamp_px)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
