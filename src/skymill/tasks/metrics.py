"""Running figures of a validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchmetrics import CatMetric, MeanAbsolutePercentageError, MeanMetric
from torchmetrics.classification import BinaryJaccardIndex

from skymill.models.branched_pictures import WHITE
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


class ImageMetrics(BlendMetrics):
    """The same, and how good the images are.

    ``image_psnr`` (dB, of the central galaxy's linear pixels, range: the true image's brightest pixel) and
    ``image_conservation`` (percent, mean of |Δ| of the light of both images together over that of the blend without
    noise).
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.psnr, self.conservation = MeanMetric(), MeanMetric()

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Add a batch."""
        super().update(outputs, batch)
        layers = outputs.layers.double()
        true = torch.stack(batch.layers(layers.shape[-1]), dim=1).double()
        squared = (layers - true)[:, 0].square().mean(dim=(1, 2))
        self.psnr.update(10 * torch.log10(true[:, 0].amax(dim=(1, 2)).square() / squared))
        light, blend = layers.sum(dim=(1, 2, 3)), true.sum(dim=(1, 2, 3))
        self.conservation.update((light / blend - 1).abs())

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        images = {"image_psnr": self.psnr.compute(), "image_conservation": 100 * self.conservation.compute()}
        return super().compute() | {name: float(value) for name, value in images.items()}

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self.psnr.reset()
        self.conservation.reset()


class PictureMetrics(nn.Module):
    """Figures of pictures.

    ``picture_psnr`` and ``blend_picture_psnr`` (dB, mean over both pictures of each blend, whole levels, range 255): of
    what is drawn, and of the blend's own picture in its place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.means = nn.ModuleDict({"picture_psnr": MeanMetric(), "blend_picture_psnr": MeanMetric()})

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Add a batch."""
        drawn = torch.round(outputs.layers.float())
        true = torch.stack(batch.layers(drawn.shape[-1]), dim=1)
        blend = batch.middle(batch.image, drawn.shape[-1])[:, None].expand_as(true)
        for metric, seen in zip(self.means.values(), (drawn, blend), strict=True):
            # A picture without a wrong pixel has no finite ratio: one wrong level in all of it counts there.
            squared = (seen - true).square().mean(dim=(2, 3)).clamp(min=1 / true[0, 0].numel())
            metric.update(10 * torch.log10(WHITE**2 / squared))

    def compute(self) -> dict[str, float]:
        """Return the figures of all batches since the last reset."""
        return {name: float(metric.compute()) for name, metric in self.means.items()}

    def reset(self) -> None:
        """Start anew."""
        for metric in self.means.values():
            metric.reset()
