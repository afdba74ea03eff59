from __future__ import annotations

import pytest
import torch
from PIL import Image

from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.training.film import FRAMES, INCH, STAMPS, Film


def batch_of(n: int = 8, size: int = 20) -> Batch:
    light = torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(1))
    image = 1e5 * light
    return Batch(image, torch.ones(n, 1), torch.zeros(n, 2), image, 0 * image, torch.ones(n))


def outputs_of(value: float, n: int = 8, size: int = 16) -> Outputs:
    return Outputs(torch.zeros(n, 2), layers=torch.full((n, 2, size, size), value))


def film_of(epochs: int) -> Film:
    film = Film()
    for epoch in range(epochs):
        film.add(outputs_of(10.0 * epoch), batch_of())
    return film


def test_a_film_keeps_the_first_stamps_of_each_epoch():
    state = film_of(3).state()

    assert state["drawn"].shape == (3, STAMPS, 16, 16)
    assert torch.sinh(state["drawn"][:, 0, 0, 0].float()).tolist() == pytest.approx([0, 10, 20], rel=0.01)
    # Bright pixels do not overflow at half precision.
    assert torch.isfinite(state["blend"]).all() and state["blend"].dtype == torch.float16
    assert torch.equal(state["blend"], state["true"])


def test_a_film_goes_on_where_its_state_ends():
    film = Film(film_of(2).state())
    film.add(outputs_of(20.0), batch_of())

    assert torch.equal(film.state()["drawn"], film_of(3).state()["drawn"])


def test_fewer_blends_than_rows_are_all_of_them():
    film = Film()
    film.add(outputs_of(1.0, n=2), batch_of(2))

    assert film.state()["drawn"].shape[:2] == (1, 2)


@pytest.mark.parametrize(("epochs", "frames"), [(1, 1), (3, 3), (30, FRAMES)])
def test_the_strip_shows_some_epochs_beside_blend_and_truth(tmp_path, epochs: int, frames: int):
    film = film_of(epochs)
    for name in ("one.png", "two.png"):
        film.draw(tmp_path / name, "a model")

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width == pytest.approx((2 + frames) * INCH * 110, abs=1)
