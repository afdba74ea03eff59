"""One fake run for all tests of the report, and the page made of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def load_fake_run():
    """Import fake_run.py, which is no module of the tests' import path."""
    spec = importlib.util.spec_from_file_location("fake_run", Path(__file__).with_name("fake_run.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_run"] = module
    spec.loader.exec_module(module)
    return module


fake = load_fake_run()


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A whole run; tests do not change it."""
    return fake.FakeRun(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def inventory(run):
    from skymill.report.inventory import Inventory

    return Inventory.read(run.artifacts)


@pytest.fixture(scope="session")
def scores(run):
    from skymill.report.scores import Scores

    return Scores.read(run.arguments["metrics"])


@pytest.fixture(scope="session")
def matched(run):
    from skymill.catalog.catalogue import Catalogue

    return Catalogue.read(run.arguments["matched"])


@pytest.fixture(scope="session")
def palette(inventory):
    from skymill.report.look import Palette

    return Palette(inventory.detectors)


@pytest.fixture(scope="session")
def page(run) -> Path:
    """The page of the whole run, with a note."""
    from skymill.report.report import report

    arguments = run.arguments
    report(**{**arguments, "notes": [{"what": "detector gan", "reason": "its program is not installed"}]})
    return arguments["output"]
