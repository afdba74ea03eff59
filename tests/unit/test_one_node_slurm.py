"""When the test cluster refuses to start: it never touches a Slurm that somebody else has set up."""

import importlib.util
import os
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "one_node_slurm.py"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script as a module, on a machine that allows everything, with an empty /etc/slurm."""
    specification = importlib.util.spec_from_file_location("one_node_slurm", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "ETC", tmp_path / "etc")
    monkeypatch.setattr(module, "program", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    module.ETC.mkdir()
    return module


def test_an_empty_machine_is_fine(script, tmp_path):
    script.check_machine(tmp_path / "cluster")


def test_another_slurm_is_left_as_it_is(script, tmp_path, capsys):
    conf = script.ETC / "slurm.conf"
    conf.write_text("ClusterName=work\n")

    assert script.main(["start", str(tmp_path / "cluster")]) == 1
    assert f"{conf} belongs to another Slurm" in capsys.readouterr().err
    assert script.main(["stop", str(tmp_path / "cluster")]) == 0
    assert conf.read_text() == "ClusterName=work\n"


def test_a_second_cluster_waits_for_the_first(script, tmp_path, monkeypatch):
    (script.ETC / "slurm.conf").write_text(f"{script.FIRST_LINE}{tmp_path}\nClusterName=skymill-test\n")
    monkeypatch.setattr(script, "daemon", lambda folder, name: 12 if folder == tmp_path else None)

    script.check_machine(tmp_path)
    with pytest.raises(script.NotHereError, match=f"the cluster in {tmp_path} is running"):
        script.check_machine(tmp_path / "other")


def test_what_a_dead_cluster_left_is_no_hindrance(script, tmp_path):
    (script.ETC / "slurm.conf").write_text(f"{script.FIRST_LINE}{tmp_path / 'gone'}\n")

    script.check_machine(tmp_path / "cluster")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("program", lambda name: None, "slurm-client and munge give munged, slurmctld"),
        ("os.geteuid", lambda: 1000, "need root"),
    ],
)
def test_what_is_missing_is_named(script, tmp_path, monkeypatch, name, value, message):
    monkeypatch.setattr(os if name.startswith("os.") else script, name.removeprefix("os."), value)

    with pytest.raises(script.NotHereError, match=message):
        script.check_machine(tmp_path)


def test_only_the_own_configuration_is_removed(script, tmp_path):
    (script.ETC / "slurm.conf").write_text(f"{script.FIRST_LINE}{tmp_path}\n")
    (script.ETC / "plugstack.conf").write_text("# of the distribution\n")
    script.stop(tmp_path)

    assert [path.name for path in script.ETC.iterdir()] == ["plugstack.conf"]


def test_a_pid_that_now_is_another_program_is_no_daemon(script, tmp_path):
    (tmp_path / "slurmd.pid").write_text(f"{os.getpid()}\n")

    assert script.daemon(tmp_path, "slurmd") is None
    assert script.alive(os.getpid())
