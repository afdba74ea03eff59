"""Stamps of the code: a hash of the library modules that a stage runs through.

Snakemake reruns a rule when its script changes, not when the library below the script does. Each rule therefore
carries a stamp among its parameters. The stamp is taken from syntax trees without docstrings, so comments, layout and
documentation do not change it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "skymill"
SOURCE = Path(__file__).resolve().parents[2]
_used: dict[str, dict[str, Any]] = {}
"""Analyses of modules that this process has asked for, by the checksum of their text."""


def code_stamp(*modules: str) -> str:
    """Hash the named modules and all of skymill that they import, directly or not.

    Files other than modules that lie in the same packages (schemas, templates) count byte by byte.

    Parameters
    ----------
    *modules : str
        Dotted names such as ``"skymill.simulate.shard"``.

    Returns
    -------
    str
        Ten hexadecimal digits.
    """
    digest = hashlib.sha256()
    reached = sorted(_reachable(modules))
    for module in reached:
        digest.update(f"{module}:{_tree_hash(_file_of(module))}\n".encode())
    for folder in sorted({_file_of(module).parent for module in reached} - {SOURCE / PACKAGE}):
        digest.update(_data_hash(folder).encode())
    _remember()
    return digest.hexdigest()[:10]


def package_stamp() -> str:
    """Hash all modules of skymill: which source a product was made with, also without a git checkout."""
    files = sorted((SOURCE / PACKAGE).rglob("*.py"))
    names = (path.relative_to(SOURCE).with_suffix("").parts for path in files)
    return code_stamp(*(".".join(parts).removesuffix(".__init__") for parts in names))


def _reachable(modules: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(_imports(_file_of(module)))
    return seen


def _file_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and _file_of(name).is_file()


@cache
def _imports(path: Path) -> frozenset[str]:
    """Modules of this package that the file imports anywhere in it, also inside functions."""
    return frozenset(name for name in _analysed(path)["imports"] if _is_module(name))


@cache
def _tree_hash(path: Path) -> str:
    return _analysed(path)["hash"]


@cache
def _analysed(path: Path) -> dict[str, Any]:
    """Hash a module's syntax tree and list what it imports, unless an earlier process has done so."""
    text = path.read_bytes()
    key = hashlib.sha256(text).hexdigest()
    _used[key] = _known_analyses().get(key) or _analyse(text)
    return _used[key]


def _analyse(text: bytes) -> dict[str, Any]:
    tree = ast.parse(text.decode("utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_docstring(statement)] or [ast.Pass()]
    imports = sorted(name for name in found if name.split(".")[0] == PACKAGE)
    return {"hash": hashlib.sha256(ast.dump(tree).encode()).hexdigest(), "imports": imports}


def _memory() -> Path:
    """Return where analyses are kept: with Python's own, for this version of Python, whose syntax trees differ."""
    return SOURCE / PACKAGE / "__pycache__" / f"code_stamps.{sys.implementation.cache_tag}.json"


@cache
def _known_analyses() -> dict[str, dict[str, Any]]:
    """Return what earlier processes found out, by the checksum of a module's text."""
    try:
        return json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _remember() -> None:
    """Keep what was found out for other processes; a folder that cannot be written to costs time and nothing else."""
    known = _known_analyses()
    if _used.keys() <= known.keys():
        return
    known |= _used
    memory = _memory()
    partial = memory.with_name(f".{memory.name}-{os.getpid()}")
    try:
        memory.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(memory)
    except OSError:
        partial.unlink(missing_ok=True)


@cache
def _data_hash(folder: Path) -> str:
    """Hash the files below a package's folder that are not Python."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a string that stands alone: a docstring, or the text below a constant."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
