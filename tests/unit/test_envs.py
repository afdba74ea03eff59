"""requirements.lock, pyproject.toml, envs/*.yaml and the library's imports say the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src"
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
RULES = sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCK_LINES = (REPOSITORY / "requirements.lock").read_text().splitlines()
PINS = [line for line in LOCK_LINES if not line.startswith("#")]

# Programs and interpreters that conda gives; all Python packages come from pip (see the head of each file).
CONDA_PACKAGES = {"python", "pip", "astromatic-source-extractor"}
# Come with torch's build for a machine with a GPU; which build is right depends on the machine.
CUDA_PACKAGES = re.compile(r"^(nvidia|cuda|triton)")

DEPENDENCIES = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for extra in PROJECT["optional-dependencies"].values() for line in extra]


def read_lock() -> dict[str, str]:
    pins = (line.split("==") for line in PINS)
    return {canonicalize_name(name): version for name, version in pins}


def pip_pins(path: Path) -> dict[str, str]:
    """Python packages of one environment: canonical name to version."""
    entries = yaml.safe_load(path.read_text())["dependencies"]
    (pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in pip}


# --- the lock file ---------------------------------------------------------------------------------------------


def test_there_is_something_to_check():
    assert len(PINS) > 50 and len(ENVIRONMENTS) >= 3
    assert len(set(scripts_with_environments())) > 20


def test_a_lock_line_is_a_name_and_a_version(subtests):
    """No host, no path, no local build tag such as +cpu: any of them ties the file to one machine."""
    for line in PINS:
        with subtests.test(line):
            assert re.fullmatch(r"[A-Za-z0-9][\w.-]*==[0-9][\w.]*", line)
            assert not CUDA_PACKAGES.match(line)


def test_the_lock_names_each_package_once():
    names = [canonicalize_name(line.split("==")[0]) for line in PINS]

    assert len(names) == len(set(names))


def test_the_lock_satisfies_the_direct_dependencies(subtests):
    for requirement in DEPENDENCIES + EXTRAS:
        with subtests.test(str(requirement)):
            version = read_lock()[canonicalize_name(requirement.name)]

            assert requirement.specifier.contains(version), (
                f"{requirement} is locked at {version}: run `make lock`"
            )


def test_the_lock_holds_the_transitive_dependencies_and_nothing_else():
    needed, waiting = set(), [(requirement, "") for requirement in DEPENDENCIES + EXTRAS]
    while waiting:
        requirement, extra = waiting.pop()
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if not applies or key in needed or CUDA_PACKAGES.match(key[0]):
            continue
        needed.add(key)
        try:
            below = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            pytest.skip(f"{requirement.name} is not installed here")
        waiting += [(Requirement(line), each) for line in below for each in ({""} | requirement.extras)]

    assert {name for name, _ in needed} == set(read_lock())


def test_set_up_installs_the_locked_torch_first():
    script = (REPOSITORY / "scripts" / "setup.sh").read_text()
    torch = f"torch=={read_lock()['torch']}"

    assert torch == "torch==2.13.0"
    assert script.index(f'"${{pip[@]}}" {torch}\n') < script.index("--requirement requirements.lock")


# --- conda environments ----------------------------------------------------------------------------------------


def test_an_environment_is_well_formed(subtests):
    for path in ENVIRONMENTS:
        with subtests.test(path.stem):
            environment = yaml.safe_load(path.read_text())
            conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]

            assert set(environment) == {"name", "channels", "dependencies"}
            assert environment["name"] in {f"skymill-{path.stem}", "skymill"}
            assert environment["channels"] == ["conda-forge"]
            assert {re.split("[=<>]", entry)[0] for entry in conda} <= CONDA_PACKAGES
            assert "python=3.11" in conda
            assert list(pip_pins(path)) == sorted(pip_pins(path))


def test_an_environment_has_the_locked_versions(subtests):
    for path in ENVIRONMENTS:
        with subtests.test(path.stem):
            lock = read_lock()

            for name, version in pip_pins(path).items():
                assert lock.get(name) == version, f"{path.name}: {name}=={version}: run scripts/pin_envs.py"


# --- what the library imports ----------------------------------------------------------------------------------


class _Imports(ast.NodeVisitor):
    """All imports that run, also inside functions; not those for type checkers only."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        # `from skymill.data import tile` may name a module after the word import.
        self.names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}


@cache
def imports_of(path: Path) -> frozenset[str]:
    visitor = _Imports()
    visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(visitor.names)


def library_files(names: frozenset[str]) -> Iterator[Path]:
    """Files of those imported names that are modules of skymill."""
    for name in names:
        if name.split(".")[0] == "skymill":
            base = SOURCE.joinpath(*name.split("."))
            yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def third_party_packages(start: list[Path], but_for: frozenset[Path] = frozenset()) -> dict[str, Path]:
    """Canonical names of the packages that these files need, each with a file that imports it; `but_for` some files."""
    found: dict[str, Path] = {}
    seen: set[Path] = set(but_for)
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += library_files(imports_of(path))
        roots = {name.split(".")[0] for name in imports_of(path)} - set(sys.stdlib_module_names)
        for root in roots - {"skymill", "snakemake", ""}:
            found[package_of(root)] = path
    return found


@cache
def installed_modules() -> dict[str, list[str]]:
    return dict(packages_distributions())


def package_of(module: str) -> str:
    """The package that gives a top-level module: PyYAML gives yaml, scikit-image gives skimage."""
    packages = {canonicalize_name(name) for name in installed_modules().get(module, [])}
    assert packages, f"the module {module} belongs to no installed package"
    return min(packages, key=lambda name: (name != canonicalize_name(module), name))


def scripts_with_environments() -> Iterator[tuple[str, str, str]]:
    """(rule, script, environment or '') of every rule that runs a script."""
    for path in RULES:
        for text in re.split(r"^(?=rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            rule = re.match(r"rule (\w+)", text)[1]
            script = re.search(r'script:\s*"\.\./scripts/(\w+\.py)"', text)
            conda = re.search(r'conda:\s*"\.\./\.\./envs/(\w+\.yaml)"', text)
            if script:
                yield rule, script[1], conda[1] if conda else ""


def test_an_environment_names_all_that_its_jobs_import(subtests):
    for rule, script, environment in sorted(scripts_with_environments()):
        with subtests.test(rule):
            assert environment, f'rule {rule} names no environment: conda: "../../envs/<kind of job>.yaml"'
            needed = third_party_packages([REPOSITORY / "workflow" / "scripts" / script])
            named = pip_pins(REPOSITORY / "envs" / environment)
            missing = {
                name: str(path.relative_to(REPOSITORY)) for name, path in needed.items() if name not in named
            }

            assert not missing, (
                f"envs/{environment} lacks packages that rule {rule} needs, with the file that imports each"
            )


def test_the_workflow_environment_runs_the_command_and_parses_the_workflow():
    starts = [path for name in ("cli", "plan") for path in (SOURCE / "skymill").rglob(f"{name}.py")]
    starts += (SOURCE / "skymill" / "cli").rglob("*.py")
    named = pip_pins(REPOSITORY / "envs" / "workflow.yaml")
    # `skymill ship` handles weights: its help says that it needs the environment of the training.
    ship = frozenset({SOURCE / "skymill" / "training" / "shipped.py"})
    missing = {
        name: str(path) for name, path in third_party_packages(starts, ship).items() if name not in named
    }

    assert not missing


def test_every_import_of_the_library_is_a_declared_dependency():
    declared = {canonicalize_name(requirement.name) for requirement in DEPENDENCIES}
    used = third_party_packages(sorted((SOURCE / "skymill").rglob("*.py")))
    missing = {name: str(path) for name, path in used.items() if name not in declared}

    assert not missing, "add these to pyproject.toml and run `make lock`"
