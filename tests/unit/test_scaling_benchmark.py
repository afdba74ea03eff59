"""The benchmark of scaling asks the workflow for what its bare calls make."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from skymill.catalog.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch) -> ModuleType:
    """The benchmark, loaded into this process."""
    specification = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks/scaling.py")
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "scaling", module)  # its dataclass looks itself up there
    specification.loader.exec_module(module)
    return module


def test_bare_calls_make_all_that_is_planned(benchmark, tmp_path, monkeypatch):
    benchmark.draw_tiles(tmp_path, 2, (200, 220), 15)
    benchmark.write_config(tmp_path, benchmark.EXECUTED, 3)
    monkeypatch.chdir(tmp_path)
    benchmark.call_bare(tmp_path)
    artifacts = list(benchmark.planned(tmp_path).chunks.artifacts())

    assert sorted(made.recipe.stage for made in artifacts) == sorted(2 * benchmark.STAGES)
    assert all(Path(path).is_file() for made in artifacts for path in made.files().values())
    for made in artifacts:
        if made.recipe.stage != "ingest":
            assert 8 <= len(Catalogue.read(made.file("catalogue"), "measurement")) <= 20
    kept, notes = benchmark.kept_bytes(tmp_path)
    assert kept == sum(path.stat().st_size for path in Path("results").rglob("*") if path.is_file())
    assert notes == 0


@pytest.mark.parametrize(("per_job", "expected"), [(1, "catalogue.parquet"), (2, ".json")])
def test_the_workflow_is_asked_for_catalogues_of_tiles_alone(
    benchmark, tmp_path, monkeypatch, per_job, expected
):
    benchmark.draw_tiles(tmp_path, 3, (60, 60), 1)
    benchmark.write_config(tmp_path, benchmark.EXECUTED, per_job)
    monkeypatch.chdir(tmp_path)
    wanted = benchmark.targets(benchmark.planned(tmp_path))

    assert len(wanted) == (2 if per_job > 1 else 6)
    assert all(path.endswith(expected) for path in wanted)
    assert {stage for stage in ("infer", "baseline") for path in wanted if stage in path} == {
        "infer",
        "baseline",
    }
