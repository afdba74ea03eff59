"""Task `mask_flux`: the deblended galaxy, masks of it and of its neighbours, and the flux."""

from __future__ import annotations

from torch import Tensor

from skymill.errors import ConfigError
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.flux import FluxTask
from skymill.tasks.losses import MASK_LOSSES, misplaced_light
from skymill.tasks.registry import TASKS


@TASKS.register("mask_flux")
class MaskFluxTask(FluxTask):
    """The task `flux` with the deblended image and masks learned beside it."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the flux loss plus the weighted losses of the deblended image and of the masks.

        What has no weight is not computed.
        """
        logits, share = self._maps(outputs)
        size_px = share.shape[-1]
        loss = super().loss(outputs, batch)
        if self.config.learns_masks:
            masks = MASK_LOSSES[self.config.mask_loss](logits, batch.masks(size_px))
            loss = loss + self.config.mask_weight * masks
        if self.config.learns_images:
            misplaced = misplaced_light(share, *batch.layers(size_px)).mean()
            loss = loss + self.config.share_weight * misplaced
        return loss

    def _maps(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Return the masks' logits (b, 2, y, x) and the share (b, y, x)."""
        if outputs.masks is None or outputs.share is None:
            raise ConfigError(
                "network", expected="one that gives masks", found="none", remedy="Take 'unet' for mask_flux."
            )
        return outputs.masks.float(), outputs.share.float()
