"""Stage judge: what a generator draws beside real galaxies, and what its anomaly scores tell apart."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skymill.data.stamps import StampSet
from skymill.data.survey import Survey
from skymill.inference.anomaly import anomaly_of_blends, anomaly_records, false_alarms, score_stamps
from skymill.inference.portraits import draw_portraits
from skymill.metrics.memorisation import memorisation, turned_and_mirrored, two_models
from skymill.metrics.morphology import morphology, power_spectrum
from skymill.metrics.record import MetricRecord, to_json
from skymill.metrics.samples import SampleDistance, sample_distances
from skymill.provenance.atomic import write_text
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.training.card import CARD, WEIGHTS
from skymill.training.galaxies import GalaxyData
from skymill.training.generated import draw_one
from skymill.training.generator_card import GeneratorModel, load_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

METRICS, CURVES = "metrics.json", "curves.json"
MOST = 1000
"""Galaxies of the test side that are compared."""
SIDE_PX = 96
"""Side of the images that are compared, or that of the stamps if they are smaller."""
THRESHOLD_RMS = 3.0
"""Surface brightness at the edge of the segments that are measured."""
MEMORY_PX = 24
BINS = 24


def judge_generator(
    recipe: Mapping[str, Any],
    generator: str | Path,
    stamps: str | Path,
    truth: str | Path,
    blend_stamps: str | Path,
    blend_truth: str | Path,
    folder: str | Path,
    halves: Sequence[str | Path] = (),
) -> None:
    """Compare a generator's galaxies with those of the test side, and its anomaly scores of blends and single galaxies.

    Parameters
    ----------
    recipe : mapping
        ``params`` with ``seed`` and ``survey``; its name is that of the generator.
    generator : path
        The network: its folder, or its card or weights within it.
    stamps, truth : path
        The population that it learned from.
    blend_stamps, blend_truth : path
        Test blends.
    folder : path
        Gets ``metrics.json`` (records of the datasets ``generated:<name>`` and ``anomaly:<name>``), ``curves.json``
        (what the page draws), pictures and ``provenance.json``.
    halves : sequence of path
        The same network trained on the first and on the second half of the galaxies: folders, or cards within them.

    Raises
    ------
    DataError
        If a file cannot be read or written, or the test side has no galaxy.
    VersionError
        If the weights do not fit.
    """
    folder, name = Path(folder), recipe["name"]
    files = {"stamps": stamps, "truth": truth, "blend_stamps": blend_stamps, "blend_truth": blend_truth}
    seed = int(recipe["params"]["seed"])
    of_model = Path(generator) if Path(generator).is_dir() else Path(generator).parent
    files |= {"card": of_model / CARD, "weights": of_model / WEIGHTS}
    for number, half in enumerate(halves, start=1):
        of_half = Path(half) if Path(half).is_dir() else Path(half).parent
        files |= {f"half{number}_card": of_half / CARD, f"half{number}_weights": of_half / WEIGHTS}
    with recording(recipe, folder, parents=files) as record:
        model = load_generator(of_model)
        survey = Survey.model_validate(recipe["params"]["survey"])
        with StampSet.open(stamps) as opened:
            side_px = min(SIDE_PX, opened.shape("image")[-1])
        real = GalaxyData(stamps, truth, "test", survey, side_px - 1)
        pair = _Pair(model, real, survey, seed)
        drawn, curves = pair.records(f"generated:{name}")
        train = GalaxyData(stamps, truth, "train", survey, MEMORY_PX - 1)
        drawn += pair.memory(f"generated:{name}", train)
        if halves:
            learned = [
                GalaxyData(stamps, truth, "train", survey, MEMORY_PX - 1, (number, seed)) for number in (1, 2)
            ]
            drawn += pair.memory_of_halves(
                f"generated:{name}", [load_generator(each) for each in halves], learned
            )
        scores = anomaly_of_blends(model, blend_stamps, blend_truth, survey)
        found, roc = anomaly_records(scores, f"anomaly:{name}", name)
        found += false_alarms(pair.scores_alone(model), f"anomaly:{name}", name)
        for one in drawn:
            log.info("%s %s: %.4g [%.4g, %.4g]", one.subset, one.metric, one.value, one.low, one.high)
        write_text(folder / METRICS, to_json([*drawn, *found]))
        write_text(folder / CURVES, json.dumps({**curves, "roc": roc}, allow_nan=False))
        mag = float(np.median(pair.known["mag"]))
        draw_portraits(folder, model, (pair.real, pair.drawn), pair.looks, mag, seed)
        record.rows = len(pair.real)
        record.extra["figures"] = len(drawn) + len(found)


class _Pair:
    """Galaxies of the test side, and drawn ones of the same magnitudes, sizes and places.

    Images are in background rms.
    """

    def __init__(self, model: GeneratorModel, real: GalaxyData, survey: Survey, seed: int) -> None:
        rows = np.arange(min(MOST, len(real)))
        known = {name: values.double().numpy() for name, values in real[rows].items() if name != "image"}
        self.known, self.seed, self.name = known, seed, model.card.name
        self.real = real[rows]["image"][:, 0].double().numpy()
        self.side_px = self.real.shape[-1]
        self.electrons = survey.gain_e_per_unit * survey.background_rms
        self.looks, self.drawn = self.draw(model)

    def draw(self, model: GeneratorModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw a galaxy beside each real one, of its magnitude, size and place: looks, and images without noise."""
        looks, images = [], []
        names = ("mag", "flux", "re_px", "dx", "dy")
        for row, galaxy in enumerate(zip(*(self.known[name].tolist() for name in names), strict=True)):
            mag, flux, re_px, *offset = galaxy
            generator = rng(self.seed, "judge", self.name, row)
            looks.append(model.network.draw(mag, re_px, generator))
            images.append(draw_one(model.network, looks[-1], flux, re_px, tuple(offset), self.side_px))
        return np.stack(looks), np.stack(images).astype(np.float64)

    def records(self, dataset: str) -> tuple[list[MetricRecord], dict[str, Any]]:
        """Return the figures of drawn galaxies, and the curves of the page."""
        found = [*self._distances(dataset), *self._requested(dataset)]
        wave, ratio, spectra = self._spectra()
        spread = float(np.abs(ratio).mean())
        found.append(self._record("power_spectrum_difference", dataset, "noise_free", spread, "dex"))
        spectrum = {"wave_number": wave, "real": spectra[0], "drawn": spectra[1]}
        return found, {"power_spectrum": {name: values.tolist() for name, values in spectrum.items()}}

    def _record(
        self, metric: str, dataset: str, subset: str, value: float, unit: str, **ends: float
    ) -> MetricRecord:
        low, high = ends.get("low", value), ends.get("high", value)
        return MetricRecord(metric, dataset, self.name, subset, value, unit, len(self.real), low, high)

    def _distances(self, dataset: str) -> list[MetricRecord]:
        """Compare the statistics' distributions, with the survey's noise and without."""
        records = []
        images = {"drawn": self.drawn, "real": self.real}
        for subset, noise in (("survey_noise", 1.0), ("noise_free", 0.0)):
            samples = [self._statistics(values, which, noise) for which, values in images.items()]
            if noise == 0:
                records += self._asymmetries(dataset, dict(zip(images, samples, strict=True)))
            generator = rng(self.seed, "judge", self.name, "distances", subset)
            distances = sample_distances(*samples, generator, n_resamples=200)
            records += [
                MetricRecord(
                    f"distance_{name}",
                    dataset,
                    self.name,
                    subset,
                    one.value,
                    "sigma",
                    one.n,
                    one.low,
                    one.high,
                )
                for name, one in distances.items()
            ]
            records += self._means(dataset, subset, list(distances.values()))
        return records

    def _asymmetries(self, dataset: str, samples: Mapping[str, dict[str, NDArray]]) -> list[MetricRecord]:
        """Take the asymmetries without noise out of the samples, and return their medians.

        Smooth simulated galaxies have next to none and no spread either, which a distance could be measured in.
        """
        found = []
        for which, statistics in samples.items():
            values = statistics.pop("asymmetry")
            values = values[np.isfinite(values)]
            found.append(self._median("asymmetry_median", dataset, f"noise_free_{which}", values, "number"))
        return found

    def _means(self, dataset: str, subset: str, distances: list[SampleDistance]) -> list[MetricRecord]:
        """Return the mean over the statistics, and what chance alone would give."""
        mean, low, high, chance = (
            float(np.mean([getattr(one, name) for one in distances]))
            for name in ("value", "low", "high", "chance")
        )
        return [
            self._record("distance_mean", dataset, subset, mean, "sigma", low=low, high=high),
            self._record("distance_by_chance", dataset, subset, chance, "sigma"),
        ]

    def _statistics(self, images: NDArray, which: str, noise: float) -> dict[str, NDArray]:
        """Return Gini, M20, concentration, asymmetry, size and ellipticity of images that get some noise."""
        x, y = (self.side_px // 2 + self.known[name] for name in ("dx", "dy"))
        return morphology(
            self._noisy(images, which, noise), x, y, threshold=THRESHOLD_RMS, background_rms=noise
        )

    def _noisy(self, images: NDArray, which: str, noise: float) -> NDArray[np.float64]:
        """Add noise of `noise` times the survey's to images; `which` keys the random numbers."""
        generator = rng(self.seed, "judge", self.name, "noise", which)
        spread = noise * np.sqrt(1 + np.clip(images, 0, None) / self.electrons)
        return images + spread * generator.standard_normal(images.shape)

    def _requested(self, dataset: str) -> list[MetricRecord]:
        """Compare what was asked for with what is measured on the drawn images, and on the real ones."""
        records = []
        for subset, images in (("drawn", self.drawn), ("real", self.real)):
            flux = images.sum(axis=(1, 2))
            error = 2.5 * np.log10(np.clip(flux, 1e-12, None) / self.known["flux"])
            records.append(self._median("requested_mag_error", dataset, subset, np.abs(error), "mag"))
        seen = [isophotal_radius(images, self.known["flux"]) for images in (self.drawn, self.real)]
        is_measured = np.isfinite(seen[0]) & np.isfinite(seen[1])
        ratio = np.abs(seen[0] / seen[1] - 1)[is_measured]
        records.append(self._median("requested_size_error", dataset, "beside_real", 100 * ratio, "percent"))
        return records

    def _median(self, metric: str, dataset: str, subset: str, values: NDArray, unit: str) -> MetricRecord:
        generator = rng(self.seed, "judge", self.name, metric, subset)
        medians = np.median(values[generator.integers(len(values), size=(500, len(values)))], axis=1)
        low, high = np.quantile(medians, (0.025, 0.975))
        return self._record(
            metric, dataset, subset, float(np.median(values)), unit, low=float(low), high=float(high)
        )

    def _spectra(self) -> tuple[NDArray, NDArray, tuple[NDArray, NDArray]]:
        """Return wave numbers, log10 of the ratio of mean powers, and both mean powers of images of flux 1."""
        powers = []
        for images in (self.real, self.drawn):
            wave, power = power_spectrum(images / self.known["flux"][:, None, None], BINS)
            powers.append(np.nanmean(power, axis=0))
        # Beyond the PSF's band there is rounding only.
        kept = powers[0] > 1e-6 * powers[0].max()
        return wave[kept], np.log10(powers[1] / powers[0])[kept], (powers[0][kept], powers[1][kept])

    def scores_alone(self, model: GeneratorModel) -> NDArray[np.float64]:
        """Return the anomaly scores of the real galaxies with the survey's noise, each alone on its stamp."""
        first, size = self.side_px // 2 - model.network.stamp_px // 2, model.network.stamp_px
        box = slice(first, first + size)
        noisy = self._noisy(self.real[:, box, box], "alone", 1.0)
        return score_stamps(model, noisy[:, None], np.full(len(noisy), self.electrons))

    def memory(self, dataset: str, train: GalaxyData) -> list[MetricRecord]:
        """Say how near drawn galaxies are to those that were learned from, beside galaxies that were not."""
        first = self.side_px // 2 - MEMORY_PX // 2
        box = slice(first, first + MEMORY_PX)
        known = turned_and_mirrored(normed(train.image[:, 0].double().numpy()))
        images = [normed(images[:, box, box]) for images in (self.drawn, self.real)]
        if len(images[1]) < 100:
            return []
        found = memorisation(*images, known, rng(self.seed, "judge", self.name, "memory"), n_resamples=300)
        ratio = {"low": found.ratio_low, "high": found.ratio_high}
        copies = {"low": found.copies_low, "high": found.copies_high}
        return [
            self._record("memorisation_ratio", dataset, "noise_free", found.ratio, "ratio", **ratio),
            self._record("memorisation_copies", dataset, "noise_free", found.copies, "fraction", **copies),
        ]

    def memory_of_halves(
        self, dataset: str, models: Sequence[GeneratorModel], learned: Sequence[GalaxyData]
    ) -> list[MetricRecord]:
        """Say how often galaxies of two networks are nearer to the half that theirs has seen than to the other."""
        first = self.side_px // 2 - MEMORY_PX // 2
        box = slice(first, first + MEMORY_PX)
        drawn = [normed(self.draw(model)[1][:, box, box]) for model in models]
        known = [turned_and_mirrored(normed(one.image[:, 0].double().numpy())) for one in learned]
        found = two_models((drawn[0], drawn[1]), (known[0], known[1]))
        ends = {"low": found.nearer_low, "high": found.nearer_high}
        records = [
            self._record(
                "memorisation_nearer_own_half", dataset, "noise_free", found.nearer, "fraction", **ends
            ),
            self._record("memorisation_own_half_ratio", dataset, "noise_free", found.ratio, "ratio"),
        ]
        # Both networks have drawn as many galaxies as there are real ones.
        return [replace(record, n=2 * record.n) for record in records]


def normed(images: NDArray) -> NDArray[np.float32]:
    """Return images (n, y, x) divided by their norms: brightness shall not count."""
    norm = np.sqrt((images**2).sum(axis=(1, 2), keepdims=True))
    return (images / norm).astype(np.float32)


def isophotal_radius(images: NDArray, flux: NDArray) -> NDArray[np.float64]:
    """Return the circularised radius of the brightest pixels with half of the flux, px, (n,).

    The light of the last pixel counts in part. NaN where the image holds less than half.
    """
    light = np.sort(images.reshape(len(images), -1), axis=1)[:, ::-1].astype(np.float64)
    grown = np.cumsum(light, axis=1)
    half = 0.5 * np.asarray(flux)[:, None]
    after = np.argmax(grown >= half, axis=1)
    row = np.arange(len(images))
    area = after + 1 - (grown[row, after] - half[:, 0]) / light[row, after]
    return np.where((grown >= half).any(axis=1), np.sqrt(area / np.pi), np.nan)
