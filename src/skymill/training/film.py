"""A film strip: what a network draws of the same few validation blends after each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skymill.models.compress import asinh
from skymill.models.outputs import Outputs
from skymill.provenance.atomic import atomic_path
from skymill.tasks.batch import Batch

FILM = "film.png"
STAMPS, FRAMES = 6, 7
"""Blends that are drawn, and epochs that the strip shows: the first, the last and some between."""
INCH = 1.05


class Film:
    """Images of the central galaxies of a few blends, epoch after epoch.

    Parameters
    ----------
    state : dict of Tensor, optional
        What :meth:`state` gave; an empty film by default.
    """

    def __init__(self, state: dict[str, Tensor] | None = None) -> None:
        empty = torch.empty(0)
        self.given = dict(state or {"blend": empty, "true": empty, "drawn": empty})

    def state(self) -> dict[str, Tensor]:
        """Return all that the film holds: light (n, y, x) as asinh of background rms, ``drawn`` (epochs, n, y, x)."""
        return dict(self.given)

    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Add an epoch: the first stamps of a batch, the same in each epoch."""
        size = outputs.layers.shape[-1]
        frame = _kept(outputs.layers[:, 0])
        self.given["blend"] = _kept(batch.middle(batch.image, size))
        self.given["true"] = _kept(batch.layers(size)[0])
        self.given["drawn"] = torch.cat([self.given["drawn"].to(frame).view(-1, *frame.shape), frame[None]])

    def draw(self, path: str | Path, title: str, given: str = "blend") -> None:
        """Draw the strip as a PNG: a row for each blend, with the truth and what was drawn after some epochs.

        `given` is the word above the images that the network was given.
        """
        from matplotlib.figure import Figure

        drawn = self.given["drawn"].float().numpy()
        chosen = np.unique(np.linspace(0, len(drawn) - 1, min(FRAMES, len(drawn))).round().astype(int))
        columns = {
            word: self.given[name].float().numpy() for word, name in ((given, "blend"), ("true", "true"))
        }
        columns |= {f"epoch {epoch + 1}": drawn[epoch] for epoch in chosen}
        rows = len(columns[given])
        figure = Figure(figsize=(INCH * len(columns), INCH * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, len(columns), squeeze=False)
        for column, (name, images) in enumerate(columns.items()):
            panels[0, column].set_title(name, fontsize=8)
            for row, image in enumerate(images):
                # Each row has one scale, that of its blend: asinh of background rms, from the noise to the peak.
                top = max(float(columns[given][row].max()), 2.0)
                panels[row, column].imshow(image, vmin=-1.5, vmax=top, cmap="magma", origin="lower")
                panels[row, column].set(xticks=[], yticks=[])
        figure.suptitle(title, fontsize=9)
        # No software version or date in the file: the same film gives the same bytes.
        with atomic_path(path) as partial:
            figure.savefig(partial, dpi=110, metadata={"Software": None})


def _kept(light: Tensor) -> Tensor:
    """Return the light of the first stamps, compressed; half precision shows no less than a picture does."""
    return asinh(light[:STAMPS].detach().float()).half().cpu()
