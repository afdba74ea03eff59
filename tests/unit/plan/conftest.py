"""A small run's configuration, as a user would write it."""

import copy
from pathlib import Path

import pytest
import yaml

from skymill.config.run import load_config
from skymill.plan.build import build_plan

ROOT = Path(__file__).resolve().parents[3]
TEXT = """
run: small
seed: 1
survey: sdss_r
populations:
  galaxies: {kind: parametric, n_galaxies: 10, shard_size: 4}
blend: {population: galaxies, n_train: 6, n_validation: 2, n_test: 2, shard_size: 4}
models:
  cnn: {network: {kind: cnn}, task: {kind: flux}}
  unet: {network: {kind: unet}, task: {kind: mask_flux}}
fields:
  sky: {width_px: 64, height_px: 64}
detectors:
  sep: {kind: sep}
  source_extractor: {kind: source_extractor}
inject: {number: 3}
"""


@pytest.fixture
def values():
    """The configuration as plain values, free to change."""
    return copy.deepcopy(yaml.safe_load(TEXT))


@pytest.fixture
def planned(values, tmp_path, monkeypatch):
    """A function that applies changes by dotted key and plans the run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def plan(changes=None, missing=None):
        changed = copy.deepcopy(values)
        for key, value in (changes or {}).items():
            *path, last = key.split(".")
            piece = changed
            for part in path:
                piece = piece.setdefault(part, {})
            piece[last] = value
        return build_plan(load_config(changed), ROOT, missing)

    return plan
