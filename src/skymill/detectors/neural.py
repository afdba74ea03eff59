"""A network as a detector: a baseline finds the candidates, the network measures them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.detect import CandidateConfig
from skymill.data.tile import Tile
from skymill.detectors.build import build_detector
from skymill.detectors.measurement import catalogue
from skymill.inference.measure import measure
from skymill.ingest.survey_check import check_survey
from skymill.training.card import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NeuralDetector:
    """Candidates from a baseline, fluxes from a network; shapes are the candidates'.

    Parameters
    ----------
    config : CandidateConfig
        Where candidates come from, and how well a tile must fit the survey that the model was trained for.
    model : Model
        Network, task and card.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.
    """

    def __init__(self, config: CandidateConfig, model: Model, device: str = "auto") -> None:
        self.config, self.model, self.device = config, model, device
        self.candidates = build_detector(config.detector)

    def tools(self) -> dict[str, str]:
        """Return the versions of the libraries that do the work."""
        return {**self.candidates.tools(), "torch": metadata.version("torch")}

    def detect(self, tile: Tile, meta: Mapping[str, Any]) -> Catalogue:
        """Return a catalogue of the schema ``measurement`` with `meta` in its header.

        Raises
        ------
        DataError
            If the tile's pixel scale or PSF does not fit the model's survey, unless the configuration says to go on.
        """
        check_survey(tile.meta, self.model.card.survey, self.config, f"tile {tile.meta.tile_id}")
        columns = self.candidates.find(tile)
        measured = measure(tile, columns["x"], columns["y"], self.model, device=self.device)
        radius_px = self.config.blended_radius_fwhm * tile.meta.psf_fwhm_px
        flags = columns["flags"] | measured["flags"] | _crowded(columns["x"], columns["y"], radius_px)
        columns |= {"flux": measured["flux"], "flux_err": measured["flux_err"], "flags": flags}
        return catalogue(columns, tile, meta)


def _crowded(x: NDArray, y: NDArray, radius_px: float) -> NDArray[np.int64]:
    """Return BLENDED for positions with another one within `radius_px`."""
    flags = np.zeros(len(x), dtype=np.int64)
    if len(x):
        pairs = cKDTree(np.column_stack([x, y])).query_pairs(radius_px, output_type="ndarray")
        flags[np.unique(pairs)] = int(Flag.BLENDED)
    return flags
