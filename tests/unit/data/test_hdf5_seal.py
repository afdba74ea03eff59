"""The checksum of an HDF5 file's skeleton."""

import h5py
import numpy as np
import pytest

from skymill.data.hdf5_seal import check_seal, sealed
from skymill.errors import DataError


@pytest.fixture
def path(tmp_path):
    with h5py.File("in-memory", "w", libver="latest", driver="core", backing_store=False) as file:
        for name in ("a", "b"):
            file.create_dataset(name, data=np.arange(800.0).reshape(40, 20), chunks=(10, 20), fletcher32=True)
        (tmp_path / "set.h5").write_bytes(sealed(file))
    return tmp_path / "set.h5"


def pixels(path) -> np.ndarray:
    """Whether each byte of a file lies in a piece of pixels."""
    is_pixel = np.zeros(path.stat().st_size, dtype=bool)
    with h5py.File(path) as file:
        for name in file:
            for number in range(file[name].id.get_num_chunks()):
                info = file[name].id.get_chunk_info(number)
                is_pixel[info.byte_offset : info.byte_offset + info.size] = True
    return is_pixel


def test_any_reader_of_hdf5_reads_it(path):
    check_seal(path)
    with h5py.File(path) as file:
        assert file["b"][39, 19] == 799


def test_a_flip_outside_of_the_pixels_is_refused(path):
    """Pixels are left to HDF5, whose own checksums are compared when they are read; the magic word makes the seal."""
    whole, is_pixel = path.read_bytes(), pixels(path)
    assert 0.8 < is_pixel.mean() < 1
    magic = range(len(whole) - 80, len(whole) - 72)
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        if is_pixel[place] or place in magic:
            check_seal(path)
        else:
            with pytest.raises(DataError, match=r"set\.h5: expected the HDF5 file as it was written"):
                check_seal(path)
        if place not in magic:
            with pytest.raises(DataError, match="damaged"):
                check_seal(path, with_pixels=True)


def test_files_without_a_seal_pass(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["a"] = np.arange(3)

    check_seal(tmp_path / "old.h5")
