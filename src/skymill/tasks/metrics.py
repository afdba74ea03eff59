"""Running figures of a validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchmetrics import CatMetric, MeanAbsolutePercentageError, MeanMetric
from torchmetrics.classification import BinaryJaccardIndex

from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch

if TYPE_CHECKING:
    from skymill.tasks.registry import Task


class BlendMetrics(nn.Module):
    """Figures over all galaxies of a validation set.

    ``flux_mape`` (percent, mean of |ΔF| / F), ``flux_bias`` (percent, median of ΔF / F), ``coverage_68`` (fraction with
    |ΔF| <= flux_err; 0.68 for honest errors) and, where masks are learned, ``mask_iou_central`` and
    ``mask_iou_neighbour`` (intersection over union of all pixels).

    Parameters
    ----------
    task : Task
        Turns outputs into columns.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.mape, self.ratio, self.covered = MeanAbsolutePercentageError(), CatMetric(), MeanMetric()
        names = ("mask_iou_central", "mask_iou_neighbour") if task.learns_masks else ()
        self.iou = nn.ModuleDict({name: BinaryJaccardIndex() for name in names})

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Add a batch."""
        columns = self.task.columns(outputs, batch.image)
        prefixes = ("", "companion_")[: self.task.galaxies]
        flux = torch.stack([columns[f"{prefix}flux"] for prefix in prefixes], dim=1)  # (b, g)
        error = torch.stack([columns[f"{prefix}flux_err"] for prefix in prefixes], dim=1)  # (b, g)
        self.mape.update(flux, batch.flux)
        self.ratio.update((flux / batch.flux).flatten())
        self.covered.update(((flux - batch.flux).abs() <= error).float())
        if self.iou:
            masks = batch.masks(outputs.masks.shape[-1]).int()
            for mask, iou in enumerate(self.iou.values()):
                iou.update(outputs.masks[:, mask].float().sigmoid(), masks[:, mask])

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        figures: dict[str, Tensor] = {
            "flux_mape": 100 * self.mape.compute(),
            "flux_bias": 100 * (self.ratio.compute().median() - 1),
            "coverage_68": self.covered.compute(),
        }
        figures |= {name: iou.compute() for name, iou in self.iou.items()}
        return {name: float(value) for name, value in figures.items()}

    def reset(self) -> None:
        """Start anew."""
        for metric in (self.mape, self.ratio, self.covered, *self.iou.values()):
            metric.reset()
