"""Stage `restorer`: isolated galaxies, degraded while it trains → a network that restores their images.

With card, history, curves and, where there is a critic, a film.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from skymill.config.restorer import RestorerConfig
from skymill.data.survey import Survey
from skymill.models.device import choose_device, describe_device
from skymill.models.restorer import Restorer
from skymill.provenance.code import code_stamp
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.tasks.restore import RestoreTask
from skymill.training.adversarial import AdversarialModule
from skymill.training.card import WEIGHTS, save_weights
from skymill.training.checkpoint import read_best
from skymill.training.degrade import Degrade, window_px
from skymill.training.film import FILM
from skymill.training.galaxies import GalaxyData
from skymill.training.loop import BEST, BlendModule, Resources, fit, wants_progress
from skymill.training.order import epoch_loaders
from skymill.training.products import CHECKPOINTS, write_products
from skymill.training.restorer_card import RestorerCard, probe_restorer
from skymill.training.train import cpu_threads, training_facts, with_execution

log = logging.getLogger(__name__)


class RestorerModule(AdversarialModule):
    """The adversarial training, on degraded galaxies: one image for each stamp."""

    def draw_more(self, folder: Path, title: str) -> None:
        """Draw the film strip."""
        self.film.draw(folder / FILM, title, given="degraded")


def train_restorer(
    recipe: Mapping[str, Any],
    stamps: str | Path,
    truth: str | Path,
    folder: str | Path,
    execution: Mapping[str, Any] | None = None,
) -> None:
    """Train a network that restores images; a training that was killed goes on after its last complete epoch.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` with ``seed``, ``survey`` and ``restorer``
        (:class:`~skymill.config.restorer.RestorerConfig`) among its parameters.
    stamps, truth : str or Path
        The population, as :func:`skymill.simulate.gather.simulate_population` made it; only galaxies of the sides train
        and validation are used, and no points.
    folder : str or Path
        Gets ``weights.safetensors``, ``model.yaml``, ``history.csv``, ``curves.png``, ``film.png`` (with a critic) and
        ``provenance.json``.
    execution : mapping, optional
        Values of `TrainConfig.execution_keys`; defaults otherwise. See :func:`skymill.training.train.train_model`.

    Raises
    ------
    DataError
        If the stamps do not hold what the network needs.
    TrainingError
        If the loss is not finite.
    """
    folder, params = Path(folder), recipe["params"]
    config = with_execution(RestorerConfig, params["restorer"], execution)
    survey = Survey.model_validate(params["survey"])
    with (
        recording(recipe, folder, parents={"stamps": stamps, "truth": truth}) as record,
        cpu_threads(config.training.threads),
    ):
        device = choose_device(config.training.device)
        side_px = window_px(config.input_px, survey.psf_fwhm_px, config.degradation.psf_fwhm_ratio[1])
        sides = [GalaxyData(stamps, truth, side, survey, side_px) for side in ("train", "validation")]
        module = _module(recipe, config, survey)
        log.info("training %s on %s", recipe["name"], describe_device(device))
        resources = Resources(device, wants_progress(config.training.progress))
        loaders = epoch_loaders(*sides, config.training, int(params["seed"]))
        fit(module, *loaders, folder / CHECKPOINTS, resources)
        weights = read_best(folder / CHECKPOINTS / BEST)
        module.network.load_state_dict(weights)
        card = RestorerCard(
            **training_facts(recipe, config, module, device),
            network=config.network,
            task=config.task,
            population=config.population,
            degradation=config.degradation,
            train_galaxies=len(sides[0]),
            validation_galaxies=len(sides[1]),
            probe=probe_restorer(module.network, module.task, config.input_px),
            code=code_stamp("skymill.training.restorer"),
            weights_sha256=save_weights(folder / WEIGHTS, weights),
        )
        write_products(folder, recipe, card, module, record, len(sides[0]))


def _module(recipe: Mapping[str, Any], config: RestorerConfig, survey: Survey) -> BlendModule:
    seed = int(recipe["params"]["seed"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng(seed, "restorer", "weights").integers(2**62)))
        network = Restorer(config.network, survey.psf_fwhm_px)
    task = RestoreTask(config.task, survey.psf_fwhm_px)
    augment = Degrade(config.training.augment, config.degradation, survey, config.input_px, seed)
    identity = f"{recipe['version']} {code_stamp('skymill.training.restorer')}"
    parts = (network, task, config.training, augment, identity)
    if config.task.critic is None:
        return BlendModule(*parts)
    return RestorerModule(*parts, config.task.critic, layers=1)
