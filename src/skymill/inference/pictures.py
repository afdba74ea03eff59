"""Stage pictures: how like the true pictures those are that a network draws of test blends.

It is not stage deblend: pictures are not light, so nothing can be measured on them. Each galaxy has noise of its own,
in its true picture as in the blend's, which is the brighter of the two pixel by pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter

from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import NoiseConfig, NoNoise
from skymill.config.pictures import StretchConfig
from skymill.config.train import AugmentConfig
from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.errors import ConfigError
from skymill.metrics.binning import Bins
from skymill.metrics.bootstrap import bootstrap_intervals
from skymill.metrics.images import linear, psnr, ssim
from skymill.metrics.larger import expected_of_pair
from skymill.metrics.record import MetricRecord, to_json
from skymill.metrics.weighted import mean
from skymill.models.branched_pictures import WHITE
from skymill.provenance.atomic import atomic_path, write_text
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.tasks.pictures import ROUNDING, levels
from skymill.training.augment import place, unchanged
from skymill.training.card import CARD, WEIGHTS, Model, load_model
from skymill.training.noise import build_batch_noise, noiseless
from skymill.training.pictures import Pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

METRICS, CASES = "metrics.json", "cases.png"
BLENDS_AT_ONCE = 100
SEPARATION_EDGES_PX = (0.0, 6.0, 9.0, 12.0, 16.0, 24.0, 48.0)
LEAST_BLENDS = 20
"""A figure of fewer blends is left out."""
SEEN = {
    "picture": "drawn",
    "blend_picture": "blend",
    "noise_free_picture": "noise_free",
    "known_picture": "known",
}
"""Prefix of a metric, and what is compared with the true pictures."""
SHOWN = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
"""Blends that are shown: quantiles of PSNR."""
INCH = 1.5


class Drawn(NamedTuple):
    """Pictures of n blends, levels 0 to 255: first the galaxy in the middle, then the other one.

    Parameters
    ----------
    blend : ndarray (n, y, x)
        The brighter of the true pictures.
    true, drawn, noise_free : ndarray (n, 2, y, x)
        The true pictures, what the network draws of the blend, and the true pictures without noise.
    known : ndarray (n, 2, y, x)
        What is known of the true pictures, noise included, to whoever sees the blend and knows both galaxies without
        noise: no deblender can do better.
    """

    blend: NDArray[np.uint8]
    true: NDArray[np.uint8]
    drawn: NDArray[np.uint8]
    noise_free: NDArray[np.uint8]
    known: NDArray[np.uint8]


def judge_pictures(
    recipe: Mapping[str, Any],
    model: str | Path,
    stamps: str | Path,
    truth: str | Path,
    folder: str | Path,
    noise_tile: str | Path | None = None,
) -> None:
    """Draw the pictures of the galaxies of each blend and compare them with the true ones.

    Parameters
    ----------
    recipe : mapping
        ``params`` with ``seed``, ``survey`` and ``noise``; its name is that of the set and of the model.
    model : path
        The model's folder; its task is `pictures`.
    stamps, truth : path
        A set of blends with its noise-free layers, and its catalogue.
    folder : path
        Gets ``metrics.json`` (records of the dataset ``pictures:<set>``), ``cases.png`` (from the worst to the best)
        and ``provenance.json``.
    noise_tile : path, optional
        Ingested tile that blank sky is cut from, for real noise.

    Raises
    ------
    ConfigError
        If the network has learned something else.
    DataError, VersionError
        If a file cannot be read or written, or the weights do not fit.
    """
    source, folder, params = Path(model), Path(folder), recipe["params"]
    dataset, _, name = recipe["name"].rpartition(".")
    parents = {"stamps": stamps, "truth": truth, "card": source / CARD, "weights": source / WEIGHTS}
    parents |= {} if noise_tile is None else {"noise_tile": noise_tile}
    with recording(recipe, folder, parents=parents) as record, StampSet.open(stamps) as blends:
        trained = load_model(source)
        if trained.card.task.measures:
            raise ConfigError(
                f"model {name}", expected="task pictures", found=f"task {trained.card.task.kind}"
            )
        survey, catalogue = Survey.model_validate(params["survey"]), Catalogue.read(truth, "blends")
        central = catalogue.select(catalogue["role"] == "central")
        tile = None if noise_tile is None else Tile.read(noise_tile)
        noise = TypeAdapter(NoiseConfig).validate_python(params["noise"])
        # Not the noise of the blends that the network was validated on.
        seed = int(rng(int(params["seed"]), "pictures", "noise").integers(2**31))
        found = draw_blends(blends, central, trained, survey, noise, tile, seed)
        quality = picture_quality(found)
        generators = partial(rng, int(params["seed"]), "pictures", recipe["name"])
        records = [
            MetricRecord(dataset=f"pictures:{dataset}", detector=name, **figure)
            for figure in _figures(quality, central["separation"], generators)
        ]
        write_text(folder / METRICS, to_json(records))
        draw_cases(folder / CASES, found, quality)
        record.rows = len(central)
        for one in records[: 2 * len(SEEN)]:
            log.info("%s: %s %.2f [%.2f, %.2f]", name, one.metric, one.value, one.low, one.high)


def draw_blends(
    blends: StampSet,
    central: Catalogue,
    model: Model,
    survey: Survey,
    noise: NoiseConfig,
    tile: Tile | None,
    seed: int,
) -> Drawn:
    """Return the pictures of blends, `central` being the rows of the galaxies in the middle.

    `tile` is what real noise is cut from; `seed` that of the noise.
    """
    stretch, size = model.card.task.stretch, model.card.input_px
    noisy, noise_free = (
        Pictures(stretch, AugmentConfig(), size, seed, each, survey.psf_fwhm_px, 0.0)
        for each in (build_batch_noise(noise, survey, tile), noiseless(NoNoise(), survey, None))
    )
    parts = []
    for number, start in enumerate(range(0, len(central), BLENDS_AT_ONCE)):
        some = central.select(np.arange(start, min(start + BLENDS_AT_ONCE, len(central))))
        windows = _windows(blends, some, size + 1, survey)
        batch = noisy.as_they_are(windows, number)
        light = torch.cat([windows["central"], windows["neighbours"]], dim=1)
        light = place(light, unchanged(len(light)), size)
        parts.append(
            {
                "blend": batch.middle(batch.image, size),
                "true": torch.stack(batch.layers(size), dim=1),
                "drawn": _drawn(batch, model),
                "noise_free": torch.stack(noise_free.as_they_are(windows, number).layers(size), dim=1),
                "known": _known(batch.middle(batch.image, size), light, stretch, noise, survey),
            }
        )
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Drawn(**{name: images.to(torch.uint8).numpy() for name, images in whole.items()})


def _known(
    blend: torch.Tensor, light: torch.Tensor, stretch: StretchConfig, noise: NoiseConfig, survey: Survey
) -> torch.Tensor:
    """Return what is known to whoever knows the galaxies' light (b, 2, y, x), in whole levels.

    Noise counts as normal and white, and as small beside the stretch's bend.
    """
    electrons = survey.gain_e_per_unit * survey.background_rms
    variance = {"none": 0 * light, "gaussian": 0 * light + 1}.get(
        noise.kind, 1 + light.clamp(min=0) / electrons
    )
    half = 0.5 * torch.sqrt(variance)
    spread = levels(light + half, stretch) - levels(light - half, stretch)
    sigma = torch.sqrt(spread**2 + ROUNDING**2)
    found = expected_of_pair(blend.numpy(), levels(light, stretch).numpy(), sigma.numpy())
    return torch.from_numpy(np.clip(np.round(found), 0, WHITE))


@torch.inference_mode()
def _drawn(batch: Batch, model: Model) -> torch.Tensor:
    """Return what the network draws, whole levels (b, 2, y, x)."""
    outputs = model.network(model.task.inputs(batch.image, batch.condition))
    return torch.round(outputs.layers.float())


def _windows(blends: StampSet, central: Catalogue, side: int, survey: Survey) -> dict[str, torch.Tensor]:
    """Cut windows of odd side around galaxies out of the noise-free layers, background rms."""
    numbers, half = np.array(central["stamp_id"]), side // 2
    x, y = (np.rint(central[axis]).astype(np.int64) for axis in ("x", "y"))
    offset = np.arange(-half, half + 1)
    place = (y[:, None, None] + offset[:, None], x[:, None, None] + offset)
    rows = np.arange(len(numbers))[:, None, None]
    windows = {}
    for layer in ("central", "neighbours"):
        light = blends.read(layer, numbers)[:, 0][rows, *place] / np.float32(survey.background_rms)
        windows[layer] = torch.from_numpy(light)[:, None]
    return {**windows, "flux": torch.zeros(len(numbers), 1)}


def picture_quality(pictures: Drawn) -> dict[str, NDArray[np.float64]]:
    """Return PSNR (dB) and SSIM of the pictures of :data:`SEEN`, levels as they are, range 255.

    Returns
    -------
    dict of str to ndarray (n, 2)
        ``picture_psnr``, ``picture_ssim``, …; of pictures without a wrong level the ratio of one that is off by one.
    """
    quality = {}
    size = pictures.true[0, 0].size
    for prefix, name in SEEN.items():
        seen = np.broadcast_to(
            pictures.blend[:, None] if name == "blend" else getattr(pictures, name), pictures.true.shape
        )
        given = {"data_range": WHITE, "background": 0.0, "stretch": linear}
        pairs = [(seen[:, one], pictures.true[:, one]) for one in range(2)]
        ratio = np.stack([psnr(*pair, **given) for pair in pairs], axis=1)
        quality[f"{prefix}_psnr"] = np.minimum(ratio, 10 * np.log10(WHITE**2 * size))
        quality[f"{prefix}_ssim"] = np.stack([ssim(*pair, **given) for pair in pairs], axis=1)
    return quality


def _figures(
    quality: Mapping[str, NDArray], separation: NDArray, generators: partial
) -> list[dict[str, Any]]:
    """Return the means with bootstrap intervals, blends drawn whole: of all, of one galaxy, by separation."""
    everything = np.ones(len(separation), dtype=bool)
    bins = Bins("separation_px", SEPARATION_EDGES_PX).members(separation)
    subsets = {"all": (everything, [0, 1]), "middle": (everything, [0]), "beside": (everything, [1])}
    subsets |= {name: (rows, [0, 1]) for name, rows in bins.items()}
    figures = []
    for subset, (rows, which) in subsets.items():
        if rows.sum() < LEAST_BLENDS:
            continue
        values = {name: each[rows][:, which].mean(axis=1) for name, each in quality.items()}
        statistics = {name: partial(mean, each) for name, each in values.items()}
        intervals = bootstrap_intervals(statistics, np.arange(rows.sum()), generators(subset))
        for name, each in values.items():
            low, high = intervals[name]
            unit = "dB" if name.endswith("psnr") else "number"
            figure = {"metric": name, "subset": subset, "value": float(each.mean()), "unit": unit}
            figures.append({**figure, "n": len(each), "low": low, "high": high})
    return figures


def draw_cases(path: Path, pictures: Drawn, quality: Mapping[str, NDArray]) -> None:
    """Draw blends from the worst to the best as a PNG: the blend, then truth and drawing of each galaxy."""
    from matplotlib.figure import Figure

    ratio = quality["picture_psnr"].mean(axis=1)
    order = np.argsort(ratio)
    rows = order[np.round(np.array(SHOWN) * (len(order) - 1)).astype(int)]
    titles = ("blend", "in the middle: true", "drawn", "beside it: true", "drawn")
    figure = Figure(figsize=(INCH * len(titles), INCH * len(rows) + 0.3), layout="constrained")
    panels = figure.subplots(len(rows), len(titles), squeeze=False)
    for row, line in zip(rows, panels, strict=True):
        pairs = [(pictures.true[row, one], pictures.drawn[row, one]) for one in range(2)]
        for panel, image in zip(line, (pictures.blend[row], *pairs[0], *pairs[1]), strict=True):
            # The square root shows the dark half of the levels, where galaxies overlap.
            panel.imshow(np.sqrt(image), cmap="gray", vmin=0, vmax=np.sqrt(WHITE), origin="lower")
            panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"{ratio[row]:.1f} dB", fontsize=8)
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=8)
    # No software version or date in the file: the same pictures give the same bytes.
    with atomic_path(path) as partial_path:
        figure.savefig(partial_path, dpi=110, metadata={"Software": None})
