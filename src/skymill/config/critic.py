"""Options of the critic of an adversarial training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from skymill.config.base import ConfigModel, Width


class CriticConfig(ConfigModel):
    """A second network that learns to tell drawn images from true ones while the first learns to draw them."""

    weight: PositiveFloat = Field(
        0.01, le=100, description="Weight of what the critic thinks of the images beside the other losses."
    )
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=5)] = Field(
        (24, 48, 48), description="Channels of each of its layers; each halves the side."
    )
    learning_rate_ratio: PositiveFloat = Field(
        1.0, le=100, description="Its learning rate over the network's."
    )
