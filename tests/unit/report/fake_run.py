"""A small, complete and seeded run on the disk: plausible numbers, made with the ground's own classes.

Only the pixels and the measurements are invented; the matched table and the figures are made by the stage compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue, essentials
from skymill.compare.compare import compare_run
from skymill.data.stamps import link_shards, write_shard
from skymill.data.survey import Survey, image_flux_to_njy, mag_to_image_flux, njy_to_mag
from skymill.data.tile import Tile, TileMeta
from skymill.provenance import record as record_module
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import recording
from skymill.rng import rng

SEED = 7
N_BLENDS, CANVAS, TILE = 240, 48, (300, 420)
ZERO_POINT = 25.0
SURVEY = {
    "name": "toy_i",
    "description": "A toy survey of a toy telescope, i band.",
    "band": "i",
    "pixel_scale_arcsec": 0.2,
    "zero_point_mag": ZERO_POINT,
    "gain_e_per_unit": 50.0,
    "background_rms": 0.6,
    "saturation": None,
    "psf": {"kind": "gaussian", "fwhm_arcsec": 0.6},
    "sources": {"pixel_scale_arcsec": "invented for a test", "psf": "invented for a test"},
}
CONFIG = {
    "run": "toy",
    "seed": SEED,
    "survey": "toy_i",
    "populations": {"galaxies": {"kind": "parametric", "n_galaxies": 40}},
    "blend": {
        "n_test": N_BLENDS,
        "group_sizes": {1: 0.1, 2: 0.9},
        "delta_mag": [0.0, 2.0],
        "noise": {"kind": "gaussian"},
    },
    "candidates": {"detector": {"kind": "sep", "setting": "plain"}},
    "compare": {"bootstrap_resamples": 100},
    "report": {"title": "skymill", "n_examples": 8, "n_gallery": 6, "cutout_px": 48, "max_points": 3000},
}
NETWORKS = {"unet": (0.05, 0.0), "cnn": (0.07, 0.01)}
BASELINES = {
    "source_extractor": (0.20, 0.10),
    "source_extractor_plain": (0.24, 0.12),
    "sep": (0.21, 0.10),
    "photutils": (0.25, 0.14),
}
"""Scatter and bias of each detector's fluxes at magnitude 21."""


class FakeRun:
    """Builds the run below `root`; :attr:`arguments` are those of the stage report."""

    def __init__(self, root: Path, tile: str = "field", config: Mapping[str, Any] | None = None) -> None:
        self.root, self.tile_id = root, tile
        self.config = {**CONFIG, **(config or {})}
        self.survey = Survey.model_validate(SURVEY)
        self.artifacts: list[dict[str, str]] = []
        self.inputs: list[dict[str, str]] = []
        self.random = rng(SEED, "fake")
        # The state of the checkout and the hash of all code are not what these tests are about, and slow.
        with (
            patch.object(
                record_module, "git_state", return_value={"commit": "0123456789abcdef", "dirty": False}
            ),
            patch.object(record_module, "package_stamp", return_value="feedc0ffee"),
        ):
            self._build()

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of :func:`skymill.report.report.report`."""
        compare = Path(self.artifacts[-1]["folder"])
        return {
            "run": {"run": "toy", "seed": SEED, "survey": SURVEY, "config": self.config, "started": None},
            "artifacts": self.artifacts,
            "metrics": compare / "metrics.json",
            "matched": compare / "matched.parquet",
            "notes": [],
            "output": self.root / "toy" / "report.html",
        }

    def folder(self, stage: str, name: str) -> Path:
        return next(Path(a["folder"]) for a in self.artifacts if (a["stage"], a["name"]) == (stage, name))

    def _build(self) -> None:
        self._galaxies()
        for side in ("train", "validation", "test"):
            self._blends(side, N_BLENDS if side == "test" else 6)
        for name in NETWORKS:
            self._model(name)
        truth = Catalogue.read(self.folder("blend", "test") / "truth.parquet")
        self._bounds(truth)
        for name in (*NETWORKS, *BASELINES):
            self._blend_catalogue(name, truth)
        self._tiles()
        self._compare()

    def _add(self, stage: str, name: str) -> tuple[dict[str, Any], Path]:
        recipe = Recipe(stage, name, {"seed": SEED})
        folder = self.root / "artifacts" / stage / name / recipe.version
        folder.mkdir(parents=True)
        self.artifacts.append(
            {"stage": stage, "name": name, "version": recipe.version, "folder": str(folder)}
        )
        return recipe.to_dict(), folder

    def _galaxies(self) -> None:
        recipe, folder = self._add("simulate", "galaxies")
        n = 40
        mag, re = np.sort(self.random.uniform(19, 24, n)), self.random.uniform(0.2, 0.8, n)
        middle = np.full(n, CANVAS // 2)
        stamps = galaxy_images(self.random, middle, middle, mag, re, CANVAS)
        with recording(recipe, folder) as record:
            write_stamps(folder, {"image": stamps[:, None]})
            columns = {
                "galaxy_id": np.arange(n),
                "side": ["test"] * n,
                "kind": ["bulge_disc"] * n,
                "mag": mag,
                "re": re,
            }
            shape = dict.fromkeys(("bulge_re", "disc_re"), re) | dict.fromkeys(
                ("q_bulge", "q_disc"), np.full(n, 0.7)
            )
            zero = dict.fromkeys(("theta", "knots_fraction", "dx", "dy", "flags"), np.zeros(n))
            flux = image_flux_to_njy(mag_to_image_flux(mag, ZERO_POINT), ZERO_POINT)
            more = {"flux": flux, "bulge_to_total": self.random.uniform(0, 1, n), "bulge_n": np.full(n, 4.0)}
            truth = Catalogue.from_columns("galaxies", essentials(recipe), **columns, **shape, **zero, **more)
            truth.write(folder / "truth.parquet")
            record.rows = n

    def _blends(self, side: str, n: int) -> None:
        recipe, folder = self._add("blend", side)
        with recording(recipe, folder) as record:
            truth = blend_truth(self.random, n)
            columns = {name: truth[name] for name in ("x", "y", "mag", "re")}
            galaxies = galaxy_images(self.random, *columns.values(), CANVAS)
            first = truth["role"] == "central"
            central = galaxies[first]
            neighbours = np.zeros_like(central)
            np.add.at(neighbours, truth["stamp_id"][~first], galaxies[~first])
            noise = self.random.normal(0, self.survey.background_rms, central.shape)
            masks = (central > 0.6).astype(np.uint8) + 2 * (neighbours > 0.6).astype(np.uint8)
            layers = {"image": central + neighbours + noise, "central": central, "neighbours": neighbours}
            write_stamps(folder, {**{k: v[:, None] for k, v in layers.items()}, "masks": masks[:, None]})
            Catalogue.from_columns("blends", essentials(recipe), **truth).write(folder / "truth.parquet")
            record.rows = n

    def _model(self, name: str) -> None:
        recipe, folder = self._add("train", name)
        epochs = np.arange(1, 13)
        with recording(recipe, folder) as record:
            (folder / "weights.safetensors").write_bytes(b"weights")
            card = {
                "name": name,
                "network": {"kind": name},
                "task": {"kind": "flux"},
                "parameters": 123_456,
                "input_px": 32,
            }
            card |= {
                "blends_per_epoch": 6,
                "validation_blends": 6,
                "epochs": 12,
                "best_epoch": 11,
                "device": "cpu: a toy",
            }
            (folder / "model.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
            loss = 0.5 * epochs**-0.6
            rows = zip(
                epochs, loss, 1.1 * loss + 0.01, 40 * loss, 1e-3 * 0.8**epochs, np.full(12, 2.0), strict=True
            )
            lines = ["epoch,train_loss,validation_loss,flux_mape,learning_rate,seconds"]
            lines += [",".join(f"{value:.5g}" for value in row) for row in rows]
            (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
            record.rows = 6
            record.extra["device"] = "cpu: a toy"

    def _bounds(self, truth: Catalogue) -> None:
        recipe, folder = self._add("bound", "test")
        with recording(recipe, folder) as record:
            bound = 0.02 * 10 ** (0.3 * (truth["mag"] - 21)) * truth["flux"]
            columns = {name: truth[name] for name in ("stamp_id", "galaxy_id", "role", "flux")}
            counts = {"n_parameters": 10 * truth["n_galaxies"], "n_dropped": np.zeros(len(truth))}
            Catalogue.from_columns(
                "bounds",
                essentials(recipe),
                **columns,
                **counts,
                flux_bound=bound,
                flux_bound_alone=bound / 1.5,
            ).write(folder / "bounds.parquet")
            record.rows = len(truth)

    def _blend_catalogue(self, detector: str, truth: Catalogue) -> None:
        is_network = detector in NETWORKS
        recipe, folder = self._add("evaluate" if is_network else "baseline", f"test_blends.{detector}")
        separation = np.nan_to_num(truth["separation_re"], nan=9.0)
        # Close companions are lost by whoever must find them, and confused in the fluxes of all.
        found = (
            is_network
            | (truth["role"] == "central")
            | (self.random.uniform(size=len(truth)) < separation / 2)
        )
        scatter, bias = {**NETWORKS, **BASELINES}[detector]
        width = scatter * 10 ** (0.15 * (truth["mag"] - 21)) * (1 + 1.5 / (0.5 + separation))
        columns = {name: truth[name][found] for name in ("stamp_id", "x", "y", "mag")}
        columns["galaxy_id"] = truth["galaxy_id"][found] if is_network else np.full(found.sum(), -1)
        self._catalogue(recipe, folder, columns, width[found], bias)
        self._input("test_blends", detector, folder, self.folder("blend", "test") / "truth.parquet")
        self.inputs[-1]["bounds"] = str(self.folder("bound", "test") / "bounds.parquet")
        if detector == "unet":
            self._images(truth.select(truth["role"] == "central"))

    def _images(self, centrals: Catalogue) -> None:
        """Write errors of deblended images, and ten times worse ones of the blends, 20 dB for PSNR."""
        n, path = len(centrals), self.root / "quality.parquet"
        size = self.random.normal(0, 0.05, (4, n))
        names = ("flux_error", "aperture_error", "size_error", "ellipticity_error")
        columns = {f"image_{name}": np.abs(error) for name, error in zip(names, size, strict=True)}
        columns |= {f"blend_{name}": 10 * np.abs(error) for name, error in zip(names, size, strict=True)}
        psnr = self.random.normal(40, 3, n)
        columns |= {"image_psnr": psnr, "blend_psnr": psnr - 20}
        columns |= {"image_ssim": np.full(n, 0.9), "blend_ssim": np.full(n, 0.6)}
        columns |= {"image_conservation_error": size[0] / 2, "blend_conservation_error": size[0]}
        same = {name: centrals[name] for name in ("stamp_id", "galaxy_id")}
        Catalogue.from_columns("deblended", {}, **same, **columns).write(path)
        self.inputs[-1]["images"] = str(path)

    def _catalogue(self, recipe: dict, folder: Path, columns: dict, width: np.ndarray, bias: float) -> None:
        """Write a measurement catalogue with fluxes scattered by `width` (relative) around the truth."""
        n = len(columns["x"])
        with recording(recipe, folder) as record:
            true = image_flux_to_njy(mag_to_image_flux(columns.pop("mag"), ZERO_POINT), ZERO_POINT)
            flux = true * (1 + bias + width * self.random.normal(size=n))
            error = np.maximum(true * width, 1e-3)
            jitter = self.random.normal(0, 0.2, (2, n))
            columns |= {
                "x": columns["x"] + jitter[0],
                "y": columns["y"] + jitter[1],
                "flux": flux,
                "flux_err": error,
            }
            with np.errstate(invalid="ignore"):
                columns |= {
                    "mag": njy_to_mag(flux),
                    "mag_err": 1.0857 * error / np.abs(flux),
                    "snr": flux / error,
                }
            sky = {
                "ra": np.full(n, 150.0),
                "dec": np.full(n, 2.0),
                "flags": np.zeros(n),
                "is_primary": np.ones(n, bool),
            }
            catalogue = Catalogue.from_columns(
                "measurement", essentials(recipe), object_id=np.arange(n), **columns, **sky
            )
            catalogue.write(folder / "catalogue.parquet")
            record.rows = n

    def _tiles(self) -> None:
        n, (height, width) = 90, TILE
        mag, re = self.random.uniform(18.5, 24, n), self.random.uniform(0.2, 0.9, n)
        x, y = self.random.uniform(4, width - 4, n), self.random.uniform(4, height - 4, n)
        sky = add_galaxies(self.random, np.zeros(TILE, np.float32), x, y, mag, re)
        sky += self.random.normal(0, self.survey.background_rms, TILE)
        self._tile("ingest", sky.astype(np.float32))
        self._sources("reference", "sources.parquet", x, y, mag, re)
        self._tile_catalogues(self.tile_id, f"reference:{self.tile_id}", x, y, mag)
        chosen = slice(0, 40)
        ix, iy = self.random.uniform(20, width - 20, 40), self.random.uniform(20, height - 20, 40)
        folder = self._tile(
            "inject", add_galaxies(self.random, sky.astype(np.float32), ix, iy, mag[chosen], re[chosen])
        )
        # Those with odd numbers are not isolated: two and two of them are a pair.
        number = np.arange(40)
        pair_id = np.where(number % 2, 1 + number // 4, 0)
        write_sources(folder / "truth.parquet", ix, iy, mag[chosen], re[chosen], pair_id)
        self._tile_catalogues(f"{self.tile_id}.injected", f"injected:{self.tile_id}", ix, iy, mag[chosen])

    def _tile(self, stage: str, science: np.ndarray) -> Path:
        recipe, folder = self._add(stage, self.tile_id)
        with recording(recipe, folder) as record:
            meta = TileMeta(self.tile_id, "toy_i", "i", 0.2, ZERO_POINT, 50.0, None, 3.0, 12)
            mask = np.zeros(TILE, np.uint8)
            mask[100:104, 50:90] = 1
            wcs = WCS(naxis=2)
            wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = (
                ["RA---TAN", "DEC--TAN"],
                [150.0, 2.0],
                [-5.6e-5, 5.6e-5],
            )
            Tile(science, np.full(TILE, 0.6, np.float32), mask, wcs, meta).write(folder / "tile.fits")
            record.rows = TILE[0]
        return folder

    def _sources(self, stage: str, file: str, *columns: np.ndarray) -> None:
        recipe, folder = self._add(stage, self.tile_id)
        with recording(recipe, folder) as record:
            write_sources(folder / file, *columns)
            record.rows = len(columns[0])

    def _tile_catalogues(
        self, name: str, dataset: str, x: np.ndarray, y: np.ndarray, mag: np.ndarray
    ) -> None:
        file = "sources.parquet" if dataset.startswith("reference") else "truth.parquet"
        truth = self.folder("reference" if file == "sources.parquet" else "inject", self.tile_id) / file
        for detector, (scatter, bias) in {**NETWORKS, **BASELINES}.items():
            recipe, folder = self._add("infer" if detector in NETWORKS else "baseline", f"{name}.{detector}")
            found = self.random.uniform(size=len(x)) < 1 / (1 + np.exp(2.5 * (mag - 23.2)))
            columns = {"x": x[found], "y": y[found], "mag": mag[found]}
            n = int(found.sum())
            columns |= {"stamp_id": np.full(n, -1), "galaxy_id": np.full(n, -1)}
            self._catalogue(recipe, folder, columns, scatter * 10 ** (0.15 * (mag[found] - 21)), bias)
            self._input(dataset, detector, folder, truth)

    def _input(self, dataset: str, detector: str, folder: Path, truth: Path) -> None:
        catalogue = str(folder / "catalogue.parquet")
        self.inputs.append(
            {"dataset": dataset, "detector": detector, "catalogue": catalogue, "truth": str(truth)}
        )
        self.inputs[-1]["is_network"] = detector in NETWORKS

    def _compare(self) -> None:
        recipe, folder = self._add("compare", "toy")
        recipe["params"]["compare"] = self.config["compare"]
        compare_run(recipe, self.inputs, folder / "metrics.json", folder / "matched.parquet")


def blend_truth(random: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Truth of n blends: every tenth galaxy is alone, the others have one companion."""
    count = np.where(np.arange(n) % 10 == 9, 1, 2)
    stamp_id = np.repeat(np.arange(n), count)
    is_central = np.r_[True, np.diff(stamp_id) > 0]
    total = len(stamp_id)
    mag, re = random.uniform(19, 23, total), random.uniform(0.25, 0.7, total)
    distance, angle = random.uniform(2, 14, total), random.uniform(0, 2 * np.pi, total)
    x = CANVAS // 2 + np.where(is_central, 0, distance * np.cos(angle))
    y = CANVAS // 2 + np.where(is_central, 0, distance * np.sin(angle))
    alone = np.repeat(count == 1, count)
    of_blend = np.zeros(n)
    of_blend[stamp_id[~is_central]] = distance[~is_central]
    separation = np.where(alone, np.nan, of_blend[stamp_id])
    ratio = separation / 3.0
    classes = np.select([alone | (ratio > 3), ratio > 1.5], ["isolated", "moderate"], "strong")
    flux = image_flux_to_njy(mag_to_image_flux(mag, ZERO_POINT), ZERO_POINT)
    return {
        "stamp_id": stamp_id, "galaxy_id": np.arange(total), "role": np.where(is_central, "central", "companion"),
        "n_galaxies": count[stamp_id], "x": x, "y": y, "mag": mag, "flux": flux, "re": re,
        "kind": np.full(total, "bulge_disc"), "bulge_to_total": random.uniform(0, 1, total), "separation": separation,
        "separation_re": ratio, "delta_mag": np.where(alone, np.nan, 0.5), "blend_class": classes,
    }  # fmt: skip


def galaxy_images(
    random: np.random.Generator, x: np.ndarray, y: np.ndarray, mag: np.ndarray, re: np.ndarray, size: int
) -> np.ndarray:
    """Draw n elliptical exponentials, (n, size, size) float32, image units; `re` in arcsec."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    q, angle = random.uniform(0.4, 1, len(x)), random.uniform(0, np.pi, len(x))
    dx, dy = (columns - np.asarray(x)[:, None, None]), (rows - np.asarray(y)[:, None, None])
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    radius = np.hypot(dx * cos + dy * sin, (dy * cos - dx * sin) / q[:, None, None])
    images = np.exp(-1.68 * np.hypot(radius, 0.8) / (np.asarray(re)[:, None, None] / 0.2))
    flux = mag_to_image_flux(np.asarray(mag), ZERO_POINT)
    return (images * (flux / images.sum(axis=(1, 2)))[:, None, None]).astype(np.float32)


def add_galaxies(
    random: np.random.Generator,
    sky: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    mag: np.ndarray,
    re: np.ndarray,
) -> np.ndarray:
    """Return `sky` with galaxies on it."""
    result, half = np.pad(sky, 24), 24
    left, bottom = np.rint(x).astype(int), np.rint(y).astype(int)
    stamps = galaxy_images(random, x - left + half, y - bottom + half, mag, re, 2 * half)
    for stamp, x0, y0 in zip(stamps, left, bottom, strict=True):
        result[y0 : y0 + 2 * half, x0 : x0 + 2 * half] += stamp
    return result[24:-24, 24:-24].copy()


def write_stamps(folder: Path, layers: Mapping[str, np.ndarray]) -> None:
    """Write a StampSet of one shard."""
    layers = {k: v if v.dtype == np.uint8 else v.astype(np.float32) for k, v in layers.items()}
    write_shard(folder / "shards" / "0.h5", layers, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})


def write_sources(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    mag: np.ndarray,
    re: np.ndarray,
    pair_id: np.ndarray | None = None,
) -> None:
    """Write a catalogue of known sources."""
    n = len(x)
    more = {"source_id": np.arange(n), "ra": np.full(n, 150.0), "dec": np.full(n, 2.0), "flags": np.zeros(n)}
    flux = image_flux_to_njy(mag_to_image_flux(mag, ZERO_POINT), ZERO_POINT)
    kind = {"kind": ["galaxy"] * n, "is_isolated": np.arange(n) % 2 == 0}
    more["pair_id"] = np.zeros(n) if pair_id is None else pair_id
    Catalogue.from_columns("sources", {}, x=x, y=y, mag=mag, flux=flux, re=re / 0.2, **more, **kind).write(
        path
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
