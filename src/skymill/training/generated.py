"""Stage simulate, one shard of a population that a network draws."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from skymill.config.simulate import GeneratedPopulation
from skymill.data.survey import Survey, mag_to_image_flux
from skymill.errors import VersionError
from skymill.models.vae import GalaxyNetwork
from skymill.provenance.record import check_inputs
from skymill.rng import rng
from skymill.simulate.priors import Columns, magnitudes, relation_sizes, uniforms, unknown_shape
from skymill.simulate.shard import write_galaxies
from skymill.training.card import CARD
from skymill.training.generator_card import GeneratorModel, load_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTITIES = ("mag", "size", "dx", "dy")


def generate_shard(
    recipe: Mapping[str, Any],
    start: int,
    stop: int,
    generator: str | Path,
    stamps: str | Path,
    truth: str | Path,
) -> None:
    """Draw galaxies `start` … `stop` - 1 of a population with a network; what it writes is as simulate_shard's.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict`; params: seed, survey, population, split.
    start, stop : int
        First and one-past-last galaxy. They change nothing but where the shard is cut: galaxies are drawn one by one.
    generator : path
        The network: its folder, or its card or weights within it.
    stamps, truth : path
        As of :func:`skymill.simulate.shard.simulate_shard`.

    Raises
    ------
    DataError
        If a file cannot be read or written.
    VersionError
        If the network was trained for another survey, or its weights do not fit.
    """
    params = recipe["params"]
    config = GeneratedPopulation.model_validate(params["population"])
    survey = Survey.model_validate(params["survey"])
    check_inputs({"generator": Path(generator) / CARD if Path(generator).is_dir() else generator})
    model = load_generator(generator)
    if model.card.survey.physics() != survey.physics():
        raise VersionError(
            generator,
            expected=f"a network trained for survey {survey.name} as it is now",
            found=f"one for {model.card.survey.name}",
            remedy="Train it again.",
        )
    population = Generated(config, survey, params["seed"], "simulate", recipe["name"], model)
    write_galaxies(recipe, population, config.stamp_px, (start, stop), stamps, truth)


class Generated:
    """Galaxies that a network draws, of magnitudes and sizes from given priors.

    Looks are drawn as the network does, given magnitude and size. The canvas of each galaxy is scaled
    such that its half-light radius before the PSF is the one that was drawn.

    Parameters
    ----------
    config : GeneratedPopulation
        Priors of magnitude and size.
    survey : Survey
        Pixel scale and zero-point; PSF and noise are in the network.
    seed : int
        The run's seed.
    stage, name : str
        Keys of the randomness.
    model : GeneratorModel
        The network.
    """

    def __init__(
        self,
        config: GeneratedPopulation,
        survey: Survey,
        seed: int,
        stage: str,
        name: str,
        model: GeneratorModel,
    ) -> None:
        self.config, self.survey, self.network = config, survey, model.network
        self.seed, self.stage, self.name = seed, stage, name

    def truth(self, index: NDArray[np.int64]) -> Columns:
        """Return what is true of galaxies by number; shapes are not known."""
        u = uniforms(self.seed, self.stage, self.name, index, QUANTITIES)
        mag = magnitudes(u["mag"], self.config.mag, self.config.mag_slope)
        return {
            **unknown_shape(len(index)),
            "kind": np.full(len(index), "generated"),
            "mag": mag,
            "re": relation_sizes(u["size"], mag, self.config.sizes),
            "dx": u["dx"] - 0.5,
            "dy": u["dy"] - 0.5,
        }

    def split_keys(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the galaxies' own numbers: no two are related."""
        return index

    def draw(self, galaxy: dict[str, Any], size: int) -> NDArray[np.float32]:
        """Draw one galaxy with the survey's PSF, without noise."""
        generator = rng(self.seed, self.stage, self.name, "latent", int(galaxy["galaxy_id"]))
        re_px = float(galaxy["re"]) / self.survey.pixel_scale_arcsec
        look = self.network.draw(float(galaxy["mag"]), re_px, generator)
        flux = mag_to_image_flux(float(galaxy["mag"]), self.survey.zero_point_mag)
        offset = (float(galaxy["dx"]), float(galaxy["dy"]))
        return draw_one(self.network, look, flux, re_px, offset, size)


@torch.inference_mode()
def draw_one(
    network: GalaxyNetwork, look: NDArray, flux: float, re_px: float, offset: tuple[float, float], size: int
) -> NDArray[np.float32]:
    """Draw one galaxy of exactly that half-light radius before the PSF, (size, size)."""
    row = torch.from_numpy(look.astype(np.float32))[None]
    columns = (torch.tensor([each], dtype=torch.float32) for each in (flux, re_px, offset))
    return network.decode(row, *columns, size, is_exact=True)[0, 0].numpy()
