"""The house's rules about imports and files: imports only go down, and stay light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
FILES = sorted((SOURCE / "skymill").rglob("*.py"))

# From the ground up; docs/architecture.md shows the same list.
FLOORS = [
    {"registry", "rng", "errors", "joblog"},
    {"provenance", "config", "metrics", "slurm", "orphans"},
    {"models", "catalog", "data"},
    {"tasks", "blend", "simulate", "ingest", "survey"},
    {"training", "bound", "scene"},
    {"inference", "compare"},
    {"detectors"},
    {"plan", "report"},
    {"cli"},
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in parts}

# Only these may load torch; every other stage starts without its seconds and its memory.
TORCH_PARTS = {"models", "tasks", "training", "inference"}
TORCH_MODULES = {f"skymill.detectors.{name}" for name in ("deblend", "evaluate", "infer")}
HEAVY = {"torch", "lightning", "torchmetrics", "kornia"}

MAX_LINES = 400
MAX_IMPORT_SECONDS = 0.3


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The package or module directly below skymill ('' for skymill itself)."""
    return module.partition(".")[2].partition(".")[0]


MODULES = [module_name(path) for path in FILES]
PARTS = sorted({part_of(module) for module in MODULES} - {""})


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of all imported modules, also of those imported inside functions, with their lines."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            # `from skymill import catalog` names a module after the word import.
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "skymill" else [base]
            yield from ((name, node.lineno) for name in names)


def run_python(code: str, *arguments: str) -> str:
    """What a fresh interpreter with src/ on its path prints."""
    job = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert job.returncode == 0, job.stderr
    return job.stdout


def test_every_part_has_a_floor():
    assert set(PARTS) <= set(FLOOR), "a new package needs its place in FLOORS and in docs/architecture.md"


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_imports_only_go_down(path: Path):
    here = part_of(module_name(path))
    if not here:
        return
    for name, line in imported_modules(path):
        assert not name.startswith("."), f"{path}:{line}: expected an absolute import, found {name}"
        assert name.split(".")[0] != "snakemake", f"{path}:{line}: the library does not know Snakemake"
        there = part_of(name)
        if name.split(".")[0] != "skymill" or there in {"", "__version__", here}:
            continue
        is_ground = FLOOR[here] == FLOOR[there] == 0
        assert FLOOR[there] < FLOOR[here] or is_ground, (
            f"{path}:{line}: '{here}' (floor {FLOOR[here]}) imports '{there}' (floor {FLOOR[there]})"
        )


def test_the_import_rule_sees_imports_in_functions(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text(
        "def f():\n    from skymill.cli import main\nimport skymill.rng as r\nfrom skymill import plan\n"
    )

    assert sorted(imported_modules(path)) == [("skymill.cli", 2), ("skymill.plan", 4), ("skymill.rng", 3)]


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_a_file_holds_one_thing(path: Path):
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= MAX_LINES, f"{path} has {lines} lines; split it by what it gives"
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}, (
        f"{path}: name it after what it gives"
    )


# The command line is there to print.
@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "cli"], ids=str)
def test_the_library_logs_and_does_not_print(path: Path):
    calls = [node for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]

    assert not prints, f"{path}: print in line {prints}; use logging"


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=str)
def test_init_files_import_nothing(path: Path):
    docstring, *rest = syntax_tree(path).body

    assert isinstance(docstring, ast.Expr)
    if path.parent == SOURCE / "skymill":
        (version,) = rest
        assert ast.unparse(version).startswith("__version__ = ")
    else:
        assert not rest, f"{path}: expected a docstring alone, so that importing one module imports no other"


def test_importing_skymill_is_quick_and_loads_nothing_else():
    code = (
        "import sys, time\n"
        "start = time.perf_counter()\n"
        "import skymill\n"
        "took = time.perf_counter() - start\n"
        "others = {name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'skymill'}\n"
        'sys.stdout.write(f\'{took} {sorted(others & {"numpy", "astropy", "pydantic", "torch"})}\')\n'
    )
    took, others = run_python(code).split(" ", 1)

    assert others == "[]"
    # About 1 ms when measured: the limit leaves a factor of a hundred for a machine that is busy.
    assert float(took) <= MAX_IMPORT_SECONDS


@pytest.mark.parametrize("part", [part for part in PARTS if part not in TORCH_PARTS])
def test_stages_without_networks_do_not_load_torch(part: str):
    modules = [name for name in MODULES if part_of(name) == part and name not in TORCH_MODULES]
    # The first module that brings one in is the one to mend.
    code = (
        "import importlib, sys\n"
        "heavy = set(sys.argv[1].split(','))\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name)\n"
        "    found = sorted(heavy & set(sys.modules))\n"
        "    if found:\n"
        "        sys.stdout.write(f'{name} loads {found}')\n"
        "        break\n"
    )
    assert run_python(code, ",".join(sorted(HEAVY)), *modules) == ""
