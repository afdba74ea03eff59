from __future__ import annotations

import pytest
from PIL import Image

from skymill.errors import DataError
from skymill.training.history import best_epoch, draw_curves, read_history, write_history

HISTORY = [
    {
        "epoch": float(n + 1),
        "train_loss": 1 / 3 / (n + 1),
        "validation_loss": loss,
        "flux_mape": 20.0,
        "learning_rate": 1e-3,
    }
    for n, loss in enumerate([0.5, 0.3, 0.4, 0.3])
]


def test_a_history_survives_the_round_trip_to_the_last_bit(tmp_path):
    write_history(tmp_path / "history.csv", HISTORY)

    assert read_history(tmp_path / "history.csv") == HISTORY


def test_the_best_epoch_is_the_first_of_equals():
    assert best_epoch(HISTORY)["epoch"] == 2


@pytest.mark.parametrize("epochs", [1, 4])
def test_curves_are_a_picture_and_the_same_bytes_each_time(tmp_path, epochs):
    for name in ("one.png", "two.png"):
        draw_curves(tmp_path / name, HISTORY[:epochs], "a model")

    assert (tmp_path / "one.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_critics_losses_have_a_panel_of_their_own(tmp_path):
    with_critic = [{**row, "critic_loss": 1.5, "adversarial_loss": 0.3} for row in HISTORY]
    widths = []
    for name, history in (("without.png", HISTORY), ("with.png", with_critic)):
        draw_curves(tmp_path / name, history, "a model")
        with Image.open(tmp_path / name) as picture:
            widths.append(picture.width)

    assert widths[1] == pytest.approx(widths[0] * 4 / 3, abs=1)


@pytest.mark.parametrize(
    "content", [b"", b"epoch\n1\n", b"epoch,validation_loss\n1\n", b"epoch,validation_loss\n1,x\n", b"\xff"]
)
def test_what_is_no_history_is_one_line(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"history\.csv: expected the history of a training"):
        read_history(tmp_path / "history.csv")
