"""Stamp sets: what goes in comes out, however it was cut into shards; holes are errors."""

import os
import shutil
import time
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skymill.data.stamps import CHUNK_BYTES, StampSet, centre_index, link_shards, write_shard
from skymill.errors import DataError

N, SIDE = 11, 6
FACTS = {"survey": "sdss_r", "pixel_scale_arcsec": 0.396, "n": N}


@pytest.fixture
def layers() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        "image": random.normal(size=(N, 1, SIDE, SIDE)).astype(np.float32),
        "masks": random.integers(0, 4, (N, 2, SIDE, SIDE), dtype=np.uint8),
    }


def write_shards(folder: Path, layers: dict[str, np.ndarray], cuts: list[int]) -> list[Path]:
    """Write shards that end before each of `cuts`."""
    paths = []
    for start, stop in zip([0, *cuts[:-1]], cuts, strict=True):
        paths.append(folder / "shards" / f"{start}-{stop}.h5")
        write_shard(paths[-1], {name: layer[start:stop] for name, layer in layers.items()}, start, {})
    return paths


def test_there_and_back(tmp_path, layers):
    write_shard(tmp_path / "stamps.h5", layers, 0, FACTS)
    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        assert len(stamps) == stamps.n == N
        assert stamps.layers == ("image", "masks")
        assert stamps.shape("masks") == (N, 2, SIDE, SIDE)
        assert stamps.attrs == {**FACTS, "start": 0}
        assert all(type(stamps.attrs[name]) is type(value) for name, value in FACTS.items())
        for name, layer in layers.items():
            found = stamps.read(name, slice(None))
            assert found.dtype == layer.dtype
            assert_array_equal(found, layer)


@pytest.mark.parametrize("cuts", [[N], [4, N], [1, 2, 9, N]])
def test_any_number_of_shards_gives_one_set(tmp_path, layers, cuts):
    shards = write_shards(tmp_path, layers, cuts)
    assert link_shards(tmp_path / "stamps.h5", shards, FACTS) == N

    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        assert stamps.attrs == FACTS
        for name, layer in layers.items():
            assert_array_equal(stamps.read(name, slice(None)), layer)
            assert_array_equal(stamps.read(name, slice(3, 10, 2)), layer[3:10:2])


def test_shards_in_any_order(tmp_path, layers):
    shards = write_shards(tmp_path, layers, [3, 7, N])
    contents = set()
    for order in permutations(shards):
        link_shards(tmp_path / "stamps.h5", order, {})
        contents.add((tmp_path / "stamps.h5").read_bytes())

    assert len(contents) == 1


@pytest.mark.parametrize(
    "index",
    [[0], [10, 0, 5], [2, 2, 2, 1], [], range(4), np.arange(N) % 3 == 1, np.zeros(N, dtype=bool)],
    ids=str,
)
def test_stamps_in_any_order_with_repeats(tmp_path, layers, index):
    link_shards(tmp_path / "stamps.h5", write_shards(tmp_path, layers, [3, 7, N]), {})
    chosen = index if isinstance(index, np.ndarray) else list(index)
    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        found = stamps.read("image", index)

    assert found.dtype == np.float32
    assert_array_equal(found, layers["image"][np.asarray(chosen, dtype=None if len(chosen) else int)])


def test_the_set_can_be_moved_and_opened_from_anywhere(tmp_path, layers, monkeypatch):
    link_shards(tmp_path / "here" / "stamps.h5", write_shards(tmp_path / "here", layers, [3, N]), {})
    shutil.move(tmp_path / "here", tmp_path / "there")
    (tmp_path / "link.h5").symlink_to(tmp_path / "there" / "stamps.h5")
    monkeypatch.chdir("/")
    with StampSet.open(os.path.relpath(tmp_path / "there" / "stamps.h5")) as stamps:
        assert_array_equal(stamps.read("image", slice(None)), layers["image"])


def test_shards_may_lie_outside_the_sets_folder(tmp_path, layers):
    shards = write_shards(tmp_path, layers, [3, N])
    link_shards(tmp_path / "set" / "stamps.h5", shards, {})
    with StampSet.open(tmp_path / "set" / "stamps.h5") as stamps:
        assert_array_equal(stamps.read("image", slice(None)), layers["image"])


def test_the_same_stamps_give_the_same_bytes(tmp_path, layers):
    for name in ("one", "two"):
        # HDF5 keeps whole seconds where it is let.
        time.sleep(1.1 * (name == "two"))
        shards = write_shards(tmp_path / name, layers, [3, N])
        link_shards(tmp_path / name / "stamps.h5", shards, FACTS)

    for file in ("shards/0-3.h5", "shards/3-11.h5", "stamps.h5"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_chunks_hold_whole_stamps_of_about_a_mebibyte(tmp_path):
    image = np.zeros((400, 1, 64, 64), dtype=np.float32)
    write_shard(tmp_path / "stamps.h5", {"image": image}, 0, {})
    with h5py.File(tmp_path / "stamps.h5") as file:
        assert file["image"].chunks == (CHUNK_BYTES // image[0].nbytes, 1, 64, 64)


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path, layers):
    (tmp_path / f".partial-{os.getpid()}-stamps.h5").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"stamps\.h5: expected a place that can be written to"):
        write_shard(tmp_path / "stamps.h5", layers, 0, {})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "shapes",
    [
        {"image": (3, 1, 4, 4), "masks": (2, 1, 4, 4)},
        {"image": (3, 4, 4)},
        {"image": (0, 1, 4, 4)},
        {},
    ],
    ids=["lengths", "axes", "empty", "none"],
)
def test_layers_that_do_not_fit_are_refused(tmp_path, shapes):
    layers = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
    with pytest.raises(DataError, match=r"axes \(n, band, y, x\)"):
        write_shard(tmp_path / "stamps.h5", layers, 0, {})

    assert list(tmp_path.iterdir()) == []


def test_no_shards(tmp_path):
    with pytest.raises(DataError, match="at least one shard"):
        link_shards(tmp_path / "stamps.h5", [], {})


def test_a_gap(tmp_path, layers):
    first, _, last = write_shards(tmp_path, layers, [3, 7, N])
    with pytest.raises(DataError, match=r"7-11\.h5: expected stamps from 3 on .* found stamps from 7 on"):
        link_shards(tmp_path / "stamps.h5", [first, last], {})


def test_a_missing_beginning(tmp_path, layers):
    with pytest.raises(DataError, match="expected stamps from 0 on"):
        link_shards(tmp_path / "stamps.h5", write_shards(tmp_path, layers, [3, 7, N])[1:], {})


def test_an_overlap(tmp_path, layers):
    shards = [*write_shards(tmp_path, layers, [7, N]), *write_shards(tmp_path, layers, [3, N])]
    with pytest.raises(DataError, match="found stamps from 0 on"):
        link_shards(tmp_path / "stamps.h5", sorted(set(shards)), {})


def test_shards_with_different_layers(tmp_path, layers):
    first, second = write_shards(tmp_path, layers, [3, N])
    write_shard(second, {"image": layers["image"][3:]}, 3, {})
    with pytest.raises(DataError, match=r"layers \['image', 'masks'\].*layers \['image'\]"):
        link_shards(tmp_path / "stamps.h5", [first, second], {})


def test_a_shard_that_is_not_there_yet(tmp_path, layers):
    shards = write_shards(tmp_path, layers, [3, N])
    shards[0].unlink()
    with pytest.raises(DataError, match=r"0-3\.h5: expected a readable HDF5 stamp set"):
        link_shards(tmp_path / "stamps.h5", shards, {})


def test_a_shard_that_went_is_not_read_as_zeros(tmp_path, layers):
    shards = write_shards(tmp_path, layers, [3, N])
    link_shards(tmp_path / "stamps.h5", shards, {})
    shards[1].unlink()
    with pytest.raises(DataError, match=r"3-11\.h5: expected a shard of the set, found no such file"):
        StampSet.open(tmp_path / "stamps.h5")


@pytest.mark.parametrize("content", [None, b"not HDF5", b""])
def test_a_file_that_is_no_stamp_set(tmp_path, content):
    path = tmp_path / "stamps.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"stamps\.h5: expected a readable HDF5 stamp set"):
        StampSet.open(path)


def test_hdf5_of_others(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(DataError, match="at least one layer"):
        StampSet.open(tmp_path / "other.h5")
    with pytest.raises(DataError, match="expected a shard of a stamp set"):
        link_shards(tmp_path / "stamps.h5", [tmp_path / "other.h5"], {})


def test_a_layer_that_is_not_there(tmp_path, layers):
    write_shard(tmp_path / "stamps.h5", layers, 0, {})
    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        with pytest.raises(DataError, match="one of the layers image, masks, found 'central'"):
            stamps.read("central", slice(None))
        with pytest.raises(DataError, match="found 'central'"):
            stamps.shape("central")


@pytest.mark.parametrize(("size", "index"), [(64, 32), (65, 32), (1, 0)])
def test_centre(size, index):
    assert centre_index(size) == index


def flipped(whole: bytes, bit: int) -> bytes:
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def read_all(path: Path) -> tuple:
    with StampSet.open(path) as stamps:
        return stamps.attrs, {name: stamps.read(name, np.arange(len(stamps))) for name in stamps.layers}


@pytest.mark.parametrize("which", ["shards/0-4.h5", "stamps.h5"])
def test_a_flipped_bit_never_gives_other_stamps(tmp_path, layers, which):
    """HDF5's own checksums: whoever reads a set gets what was written, or an error that names the file."""
    link_shards(tmp_path / "stamps.h5", write_shards(tmp_path, layers, [4, N]), FACTS)
    attrs, written = read_all(tmp_path / "stamps.h5")
    path = tmp_path / which
    whole, silent, unnamed = path.read_bytes(), [], []
    for bit in range(1, 8 * len(whole), 73):
        path.write_bytes(flipped(whole, bit))
        try:
            found = read_all(tmp_path / "stamps.h5")
        except DataError as error:
            unnamed += [bit] if path.name not in str(error) or "\n" in str(error) else []
            continue
        same = found[0] == attrs and all((found[1][name] == layer).all() for name, layer in written.items())
        silent += [] if same else [bit]

    assert silent == []
    assert unnamed == []


def test_a_damaged_shard_is_not_tied_in(tmp_path, layers):
    shards = write_shards(tmp_path, layers, [4, N])
    whole = shards[1].read_bytes()
    with h5py.File(shards[1]) as file:
        place = 8 * (file["image"].id.get_chunk_info(0).byte_offset + 17)
    shards[1].write_bytes(flipped(whole, place))
    with pytest.raises(DataError, match=f"{shards[1].name}: expected the HDF5 file as it was written"):
        link_shards(tmp_path / "stamps.h5", shards, FACTS)


def test_sets_of_the_time_before_checksums_are_read(tmp_path, layers):
    with h5py.File(tmp_path / "stamps.h5", "w", libver="latest") as file:
        file.attrs.update(FACTS)
        for name, layer in layers.items():
            file.create_dataset(name, data=layer, chunks=(2, *layer.shape[1:]), compression="lzf")
    attrs, found = read_all(tmp_path / "stamps.h5")

    assert attrs == FACTS
    assert_array_equal(found["image"], layers["image"])
