"""Small catalogues of every kind, with the columns that a test names and plain values in the others."""

from __future__ import annotations

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.data.survey import njy_to_mag


def _fill(schema, defaults, n, columns):
    columns = {name: np.asarray(values) for name, values in columns.items()}
    filled = {name: np.full(n, value) for name, value in defaults.items() if name not in columns}
    return Catalogue.from_columns(schema, **filled, **columns)


@pytest.fixture
def measurement():
    """Make a catalogue of detections from x, y and whatever else matters."""

    def make(x, y, **columns):
        n = len(x)
        flux = np.asarray(columns.pop("flux", np.full(n, 100.0)), dtype=float)
        defaults = {
            "stamp_id": -1,
            "galaxy_id": -1,
            "ra": np.nan,
            "dec": np.nan,
            "flux_err": 1.0,
            "mag_err": 0.01,
            "snr": 100.0,
            "flags": 0,
            "is_primary": True,
        }
        given = {"object_id": np.arange(n), "x": x, "y": y, "flux": flux, "mag": njy_to_mag(flux), **columns}
        return _fill("measurement", defaults, n, given)

    return make


@pytest.fixture
def blends():
    """Make the truth of blends; galaxy_id is the row unless given, the first row of each stamp is the central."""

    def make(stamp_id, x, y, **columns):
        stamp_id = np.asarray(stamp_id)
        n = len(stamp_id)
        first = np.isin(np.arange(n), np.unique(stamp_id, return_index=True)[1])
        flux = np.asarray(columns.pop("flux", np.full(n, 100.0)), dtype=float)
        defaults = {
            "n_galaxies": 2,
            "re": 0.5,
            "kind": "bulge_disc",
            "bulge_to_total": 0.5,
            "separation": 10.0,
            "separation_re": 1.0,
            "delta_mag": 0.0,
            "blend_class": "moderate",
        }
        given = {
            "stamp_id": stamp_id,
            "galaxy_id": np.arange(n),
            "role": np.where(first, "central", "companion"),
            "x": x,
            "y": y,
            "flux": flux,
            "mag": njy_to_mag(flux),
            **columns,
        }
        return _fill("blends", defaults, n, given)

    return make


@pytest.fixture
def sources():
    """Make the truth of a tile."""

    def make(x, y, **columns):
        n = len(x)
        flux = np.asarray(columns.pop("flux", np.full(n, 100.0)), dtype=float)
        defaults = {
            "ra": np.nan,
            "dec": np.nan,
            "re": 3.0,
            "kind": "galaxy",
            "is_isolated": True,
            "flags": 0,
        }
        given = {"source_id": np.arange(n), "x": x, "y": y, "flux": flux, "mag": njy_to_mag(flux), **columns}
        return _fill("sources", defaults, n, given)

    return make


@pytest.fixture
def bounds():
    """Make the bounds of some galaxies of blends."""

    def make(stamp_id, galaxy_id, flux_bound, **columns):
        defaults = {
            "role": "central",
            "flux": 100.0,
            "flux_bound_alone": 1.0,
            "n_parameters": 10,
            "n_dropped": 0,
        }
        given = {"stamp_id": stamp_id, "galaxy_id": galaxy_id, "flux_bound": flux_bound, **columns}
        return _fill("bounds", defaults, len(stamp_id), given)

    return make


@pytest.fixture
def deblended():
    """Make the errors of deblended images of some galaxies; those of the blends are ten times as large."""

    def make(stamp_id, galaxy_id, **columns):
        errors = {"flux_error": 0.02, "aperture_error": 0.01, "size_error": -0.03, "ellipticity_error": 0.04}
        defaults = {f"image_{name}": value for name, value in errors.items()}
        defaults |= {f"blend_{name}": 10 * value for name, value in errors.items()}
        defaults |= {"image_conservation_error": 0.005, "blend_conservation_error": 0.05}
        defaults |= {"image_psnr": 40.0, "blend_psnr": 20.0, "image_ssim": 0.9, "blend_ssim": 0.5}
        given = {"stamp_id": stamp_id, "galaxy_id": galaxy_id, **columns}
        return _fill("deblended", defaults, len(stamp_id), given)

    return make


@pytest.fixture
def as_truth(tmp_path):
    """Turn a truth catalogue into a Truth, by way of a file as in a run."""
    from skymill.compare.truth import read_truth

    def make(catalogue, bounds=None):
        path = tmp_path / "truth.parquet"
        catalogue.write(path)
        if bounds is None:
            return read_truth(path)
        bounds.write(tmp_path / "bounds.parquet")
        return read_truth(path, tmp_path / "bounds.parquet")

    return make
