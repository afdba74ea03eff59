"""Code stamps: what runs counts, what is only read does not."""

from pathlib import Path

import pytest

from skymill.provenance import code
from skymill.provenance.code import code_stamp, package_stamp

FILES = {
    "__init__.py": '"""The package."""\n',
    "stage.py": '"""A stage."""\nfrom skymill.part.one import f\n\n\ndef run():\n    return f()\n',
    "other.py": "def g():\n    return 1\n",
    "lazy.py": "def run():\n    import skymill.part.two\n    return skymill.part.two.h()\n",
    "part/__init__.py": '"""A part."""\n',
    "part/one.py": "from skymill.part import two\n\n\ndef f():\n    return two.h()\n",
    "part/two.py": 'def h():\n    """Twice."""\n    return 2  # twice\n',
    "part/schemas/rows.yaml": "rows: 1\n",
    "part/loop.py": "import skymill.part.loop\nimport numpy\nfrom skymill.part.one import f\n",
}


def forget() -> None:
    """Take away what was read of the files: in real life a new process begins."""
    functions = (code._analysed, code._imports, code._tree_hash, code._data_hash, code._known_analyses)
    for function in functions:
        function.cache_clear()


@pytest.fixture
def source(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / "skymill" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "SOURCE", tmp_path)
    forget()
    yield tmp_path / "skymill"
    forget()


def edited(path: Path, old: str, new: str, *modules: str) -> bool:
    """Whether the stamp of `modules` changes when `old` becomes `new`."""
    before = code_stamp(*modules)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()
    return code_stamp(*modules) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("part/two.py", "# twice", "# two times"),
        ("part/two.py", '"""Twice."""\n', '"""Two times.\n\n    At length.\n    """\n'),
        ("part/two.py", '    """Twice."""\n', ""),
        ("stage.py", '"""A stage."""', '"""A stage of its own."""'),
        ("stage.py", "\n\n\ndef", "\n\n\n\n\ndef"),
        ("other.py", "return 1", "return 3"),
    ],
    ids=["comment", "docstring", "no docstring", "module docstring", "layout", "unrelated module"],
)
def test_stays(source, file, old, new):
    assert not edited(source / file, old, new, "skymill.stage")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage.py", "return f()", "return -f()"),
        ("part/one.py", "return two.h()", "return two.h() + 1"),
        ("part/two.py", "return 2", "return 3"),
        ("stage.py", "def run", "import skymill.other\n\n\ndef run"),
        ("part/schemas/rows.yaml", "rows: 1", "rows: 2"),
    ],
    ids=[
        "itself",
        "imported",
        "imported by what is imported",
        "a new import",
        "a file beside what is imported",
    ],
)
def test_changes(source, file, old, new):
    assert edited(source / file, old, new, "skymill.stage")


def test_imports_inside_functions_count(source):
    assert edited(source / "part/two.py", "return 2", "return 3", "skymill.lazy")


def test_modules_that_import_each_other_end(source):
    assert code_stamp("skymill.part.loop") == code_stamp("skymill.part.loop", "skymill.part.one")


def test_several_modules_in_any_order(source):
    assert code_stamp("skymill.stage", "skymill.other") == code_stamp("skymill.other", "skymill.stage")
    assert code_stamp("skymill.stage", "skymill.other") != code_stamp("skymill.stage")


def test_the_package_as_a_whole(source):
    before = package_stamp()
    (source / "new.py").write_text("")
    forget()

    assert package_stamp() != before


def test_the_real_package_has_a_stamp():
    assert len(code_stamp("skymill.provenance.code")) == 10
    assert code_stamp("skymill.provenance.code") != code_stamp("skymill.provenance.record")


def test_a_module_that_is_not_there_is_named(source):
    with pytest.raises(FileNotFoundError, match="nothing"):
        code_stamp("skymill.nothing")


def test_what_was_worked_out_is_known_to_the_next_process(source, monkeypatch):
    stamp = code_stamp("skymill.stage")
    forget()
    monkeypatch.setattr(code, "_analyse", lambda text: pytest.fail("analysed again"))
    assert code_stamp("skymill.stage") == stamp


def test_a_damaged_memory_is_no_memory(source):
    stamp = code_stamp("skymill.stage")
    code._memory().write_text("{")
    forget()
    assert code_stamp("skymill.stage") == stamp
