"""Transfer: a training that starts from a network trained before, for another survey or on other galaxies."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from skymill.config.train import ModelConfig
from skymill.errors import ConfigError
from skymill.training.card import load_model


def start_from(network: nn.Module, config: ModelConfig, folder: str | Path) -> None:
    """Give a network the weights of a shipped one, and freeze its first stages.

    The networks see stamps in units of rms, rings and the galaxy's own brightness, so that a network of another pixel
    scale, PSF or stamp size is a start; what survey, zero-point and noise change is left to learn.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place; frozen parameters do not require gradients any more.
    config : ModelConfig
        The new model, with ``start``.
    folder : str or Path
        The shipped model.

    Raises
    ------
    ConfigError
        If the networks' options differ, or all stages would be frozen.
    DataError, VersionError
        If the model cannot be read or does not fit this code.
    """
    given = load_model(folder)
    key = "models.*.start"
    if given.card.network != config.network or given.card.task.outputs != config.task.outputs:
        raise ConfigError(
            f"{key}.model",
            expected=f"a network with the options of this one: {config.network.recipe_params()}, {config.task.outputs}",
            found=f"{config.start.model}: {given.card.network.recipe_params()}, {given.card.task.outputs}",
        )
    stages = network.stages
    if config.start.frozen_stages >= len(stages):
        raise ConfigError(
            f"{key}.frozen_stages",
            expected=f"less than the network's {len(stages)} stages",
            found=str(config.start.frozen_stages),
        )
    network.load_state_dict(given.network.state_dict())
    for stage in stages[: config.start.frozen_stages]:
        stage.requires_grad_(requires_grad=False)
