"""Files of a training that has not ended: read as they were written, or not at all."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest
import torch

from skymill.errors import DataError
from skymill.training.card import save_weights
from skymill.training.checkpoint import is_whole, read_best, sign, write_best
from skymill.training.loop import BEST, LAST, usable_checkpoint

WEIGHTS = {
    "a": torch.arange(12.0).reshape(3, 4),
    "b": torch.tensor(3),
    "c": torch.ones(5, dtype=torch.bfloat16),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.save({"skymill": {"identity": "me", "history": []}, "state": WEIGHTS}, tmp_path / LAST)
    sign(tmp_path / LAST)
    write_best(tmp_path / BEST, WEIGHTS)
    return tmp_path


def test_there_and_back(folder):
    assert is_whole(folder / LAST)
    assert torch.equal(usable_checkpoint(folder, "me")["state"]["a"], WEIGHTS["a"])
    assert read_best(folder / BEST).keys() == WEIGHTS.keys()


def test_signing_twice_is_signing_once(folder):
    once = (folder / LAST).read_bytes()
    sign(folder / LAST)

    assert (folder / LAST).read_bytes() == once


@pytest.mark.parametrize("name", [LAST, BEST])
def test_no_flipped_bit_is_trained_on(folder, name, caplog):
    path = folder / name
    whole = path.read_bytes()
    for bit in range(2, 8 * len(whole), 97 if name == BEST else 301):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert usable_checkpoint(folder, "me") is None
        assert len(caplog.messages) == 1
        assert name in caplog.text
        if name == BEST:
            with pytest.raises(DataError, match="expected the best weights"):
                read_best(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_what_is_no_checkpoint(folder, content):
    (folder / LAST).write_bytes(content)

    assert usable_checkpoint(folder, "me") is None


@pytest.mark.parametrize("write", [write_best, save_weights])
def test_a_full_disk_is_one_line(tmp_path, write, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        DataError, match=r"w: expected a place that can be written to, found No space left on device"
    ):
        write(tmp_path / "w", WEIGHTS)

    assert list(tmp_path.iterdir()) == []
