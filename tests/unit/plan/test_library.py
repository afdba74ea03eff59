"""Jobs import the library beside the workflow."""

import os
import subprocess
import sys

from skymill.plan.library import hand_to_jobs


def test_children_import_from_the_folder_that_was_handed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    (tmp_path / "skymill").mkdir()
    (tmp_path / "skymill" / "__init__.py").write_text("")
    hand_to_jobs(tmp_path)
    command = [sys.executable, "-c", "import skymill, sys; sys.stdout.write(skymill.__file__)"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found == str(tmp_path / "skymill" / "__init__.py")


def test_handing_over_twice_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    hand_to_jobs(tmp_path)
    hand_to_jobs(tmp_path)
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(tmp_path), "elsewhere"])


def test_an_empty_setting_adds_no_working_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    hand_to_jobs(tmp_path)
    assert os.environ["PYTHONPATH"] == str(tmp_path)
