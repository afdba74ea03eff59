"""Jobs import the library beside the workflow."""

import os
import pickle
import subprocess
import sys

import pytest

from skymill.plan.library import BEGAN, Later, hand_to_jobs, run_began


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


def test_jobs_know_when_their_run_began(monkeypatch):
    monkeypatch.setenv(BEGAN, "1.5")
    assert run_began(is_job=True) == 1.5
    began = run_began(is_job=False)
    assert began > 1.5
    assert run_began(is_job=True) == began


@pytest.mark.parametrize("value", [[1, {"a": 2}], {"a": [1]}])
def test_a_parameter_for_later_is_worked_out_when_it_is_handed_over(value):
    asked = []
    parameter = Later(lambda: asked.append(1) or value)
    assert not asked
    assert pickle.loads(pickle.dumps(parameter)) == value  # noqa: S301 - our own
    assert asked == [1]
