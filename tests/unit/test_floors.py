"""The house's rules about imports and files: imports only go down, and stay light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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


def wrong_import(here: str, name: str) -> str:
    """What is wrong with a module of the part `here` importing `name`; empty if nothing is."""
    if name.startswith("."):
        return "expected an absolute import"
    if name.split(".")[0] == "snakemake":
        return "the library does not know Snakemake"
    there = part_of(name)
    if name.split(".")[0] != "skymill" or there in {"", "__version__", here}:
        return ""
    is_ground = FLOOR[here] == FLOOR[there] == 0
    is_down = FLOOR[there] < FLOOR[here] or is_ground
    return "" if is_down else f"'{here}' (floor {FLOOR[here]}) imports '{there}' (floor {FLOOR[there]})"


def test_imports_only_go_down():
    wrong = [
        f"{path}:{line}: {fault}: {name}"
        for path in FILES
        if (here := part_of(module_name(path)))
        for name, line in imported_modules(path)
        if (fault := wrong_import(here, name))
    ]

    assert not wrong, "\n".join(wrong)


def test_the_import_rule_knows_what_is_wrong():
    assert wrong_import("data", "skymill.plan.build") == "'data' (floor 2) imports 'plan' (floor 7)"
    assert wrong_import("data", ".tile") and wrong_import("data", "snakemake.io")
    assert not any(wrong_import("data", name) for name in ("numpy", "skymill.errors", "skymill.data.tile"))


def test_the_import_rule_sees_imports_in_functions(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text(
        "def f():\n    from skymill.cli import main\nimport skymill.rng as r\nfrom skymill import plan\n"
    )

    assert sorted(imported_modules(path)) == [("skymill.cli", 2), ("skymill.plan", 4), ("skymill.rng", 3)]


def test_a_file_holds_one_thing():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {str(path): count for path, count in lines.items() if count > MAX_LINES}
    vague = [str(path) for path in FILES if path.stem in {"utils", "util", "common", "helpers", "misc"}]

    assert not long, "split these files by what they give"
    assert not vague, "name these files after what they give"


def prints_in(tree: ast.Module) -> list[int]:
    """Lines in which print is called."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_the_library_logs_and_does_not_print():
    # The command line is there to print.
    library = [path for path in FILES if path.stem != "cli"]
    wrong = {str(path): lines for path in library if (lines := prints_in(syntax_tree(path)))}

    assert prints_in(ast.parse("x = 1\nif x:\n    print(x)")) == [3]
    assert not wrong, "use logging"


def test_init_files_import_nothing():
    """A docstring alone, so that importing one module imports no other; skymill's own has the version."""
    wrong = []
    for path in (path for path in FILES if path.name == "__init__.py"):
        docstring, *rest = syntax_tree(path).body
        lines = [ast.unparse(node) for node in rest]
        if path.parent == SOURCE / "skymill":
            assert lines.pop().startswith("__version__ = ")
        if lines or not isinstance(docstring, ast.Expr):
            wrong.append(str(path))

    assert not wrong


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


def test_stages_without_networks_do_not_load_torch():
    light = [name for name in MODULES if part_of(name) not in TORCH_PARTS and name not in TORCH_MODULES]
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
    assert len(light) > 100
    assert run_python(code, ",".join(sorted(HEAVY)), *light) == ""
