"""Stamps of the code: a hash of the library modules that a stage runs through.

Snakemake reruns a rule when its script changes, not when the library below the script does. Each rule therefore
carries a stamp among its parameters. The stamp is taken from syntax trees without docstrings, so comments, layout and
documentation do not change it.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "skymill"
SOURCE = Path(__file__).resolve().parents[2]


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
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _imports(path: Path) -> frozenset[str]:
    """Modules of this package that the file imports anywhere in it, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if _is_module(name))


@cache
def _tree_hash(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_docstring(statement)] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


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
