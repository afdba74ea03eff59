"""A network as a detector: a baseline or another network finds the candidates, the network measures them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.detect import CandidateConfig
from skymill.data.tile import Tile
from skymill.detectors.candidates import build_finder
from skymill.detectors.measurement import QUANTILES, catalogue
from skymill.ingest.survey_check import check_survey

if TYPE_CHECKING:
    from skymill.training.card import Model
    from skymill.training.finder_card import FinderModel
    from skymill.training.generator_card import GeneratorModel


class NeuralDetector:
    """Candidates from a finder, fluxes from a network; positions and shapes are the candidates'.

    Parameters
    ----------
    config : CandidateConfig
        Where candidates come from, and how well a tile must fit the survey that the model was trained for.
    model : Model
        Network, task and card.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.
    finder : FinderModel, optional
        The network that finds the candidates, where the configuration names one.
    generator : GeneratorModel, optional
        The network that says how unlike an isolated galaxy each source is, where the configuration names one.
    """

    def __init__(
        self,
        config: CandidateConfig,
        model: Model,
        device: str = "auto",
        finder: FinderModel | None = None,
        generator: GeneratorModel | None = None,
    ) -> None:
        self.config, self.model, self.device, self.generator = config, model, device, generator
        self.candidates = build_finder(config, finder, device)
        self.surveys = [each.card.survey for each in (model, finder, generator) if each is not None]

    def tools(self) -> dict[str, str]:
        """Return the versions of the libraries that do the work."""
        return {**self.candidates.tools(), "torch": metadata.version("torch")}

    def detect(self, tile: Tile, meta: Mapping[str, Any]) -> Catalogue:
        """Return a catalogue of the schema ``measurement`` with `meta` in its header.

        Raises
        ------
        DataError
            If the tile's pixel scale or PSF does not fit the models' survey, unless the configuration says to go on.
        """
        # Not at the top: stages without networks import this package and must not load torch.
        from skymill.inference.measure import measure

        for survey in self.surveys:
            check_survey(tile.meta, survey, self.config, f"tile {tile.meta.tile_id}")
        found = self.candidates.find(tile)
        if not len(found["x"]):
            return catalogue(found, tile, meta)
        measured = measure(tile, found["x"], found["y"], self.model, device=self.device)
        # The candidate's own flags say how the finder's flux went, which the network's replaces.
        flags = measured["flags"]
        flags[found["flux_radius"] > self.model.card.input_px / 2] |= int(Flag.TRUNCATED)
        fluxes = {name: measured[name] for name in ("flux", "flux_err", *QUANTILES)}
        if self.generator is not None:
            from skymill.inference.anomaly import score_sources

            known = (found["x"], found["y"], found["flux_radius"])
            fluxes["anomaly_score"] = score_sources(tile, *known, self.generator, self.device)
        return catalogue({**found, **fluxes, "flags": flags}, tile, meta)
