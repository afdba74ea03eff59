"""From a configuration to a population."""

from __future__ import annotations

from pathlib import Path

from skymill.config.simulate import CutoutPriors, ParametricPriors, RealPriors
from skymill.data.survey import Survey
from skymill.simulate import cutouts, parametric, real  # noqa: F401 (they register themselves)
from skymill.simulate.population import POPULATIONS, Population


def build_population(
    priors: ParametricPriors | RealPriors | CutoutPriors,
    survey: Survey,
    seed: int,
    stage: str,
    name: str,
    data_dir: str | Path | None = None,
) -> Population:
    """Make the population that `priors` describe.

    Parameters
    ----------
    priors : ParametricPriors, RealPriors or CutoutPriors
        The configuration; its `kind` chooses the class.
    survey : Survey
        What is simulated.
    seed : int
        The run's seed.
    stage, name : str
        Keys of the randomness: the stage that draws, and the population's or field's name.
    data_dir : str or Path, optional
        Folder with the files that a table of cutouts names, if they do not lie where it says.
    """
    where = {"data_dir": data_dir} if isinstance(priors, CutoutPriors) else {}
    return POPULATIONS[priors.kind](priors, survey, seed, stage, name, **where)
