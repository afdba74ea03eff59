from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from skymill.config.train import TrainConfig
from skymill.training.loop import has_ended, precision_of, usable_checkpoint, wants_progress


def history_of(*losses: float) -> list[dict[str, float]]:
    return [{"epoch": n + 1.0, "validation_loss": loss} for n, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "patience", "ended"),
    [
        ((), 2, False),
        ((3, 2, 1), 2, False),
        ((1, 2), 2, False),
        ((1, 2, 3), 2, True),
        ((1, 2, 3), None, False),
        ((5, 4, 3, 2, 1), None, True),
    ],
)
def test_training_ends_by_patience_or_number_of_epochs(losses, patience, ended):
    config = TrainConfig(max_epochs=5, patience_epochs=patience)

    assert has_ended(history_of(*losses), config) == ended


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("auto", "cpu", "32-true"),
        ("float16", "cpu", "32-true"),
        ("auto", "cuda", "bf16-mixed"),
        ("float16", "cuda", "16-mixed"),
        ("float32", "cuda", "32-true"),
    ],
)
def test_mixed_precision_is_for_gpus(precision, device, expected):
    assert precision_of(TrainConfig(precision=precision), torch.device(device)) == expected


def test_a_progress_bar_is_for_terminals(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert wants_progress("auto") and wants_progress("on") and not wants_progress("off")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert not wants_progress("auto") and wants_progress("on")


def test_no_checkpoint_is_no_checkpoint(tmp_path):
    assert usable_checkpoint(tmp_path, "any") is None


def test_measuring_needs_none_of_the_training_libraries(repository):
    code = "import sys, skymill.inference.measure; print(*sys.modules)"
    job = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "src", capture_output=True, text=True, check=True
    )
    modules = {name.split(".")[0] for name in job.stdout.split()}

    assert not modules & {"lightning", "torchmetrics", "kornia", "galsim", "photutils", "sep", "snakemake"}
