"""StampSet: many small images of one size, with named layers, in HDF5.

A set is written in shards by jobs that run side by side, then tied together as one file of HDF5 virtual datasets.
Readers open that file and see one set; shards are an execution detail. Stamps carry checksums (Fletcher-32) that HDF5
compares when it reads them, and the file one of its skeleton (:mod:`skymill.data.hdf5_seal`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import h5py
import numpy as np

from skymill.data.hdf5_seal import check_seal, sealed
from skymill.errors import DataError, SkymillError
from skymill.provenance.atomic import atomic_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_BYTES = 2**17
"""Size of the pieces that a file is compressed in: about one stamp, since blends read stamps here and there."""
Attributes = Mapping[str, str | int | float]


def centre_index(size: int) -> int:
    """Return the index of the pixel that a centred object's nominal position falls on: ``size // 2``."""
    return size // 2


def write_shard(path: str | Path, layers: Mapping[str, NDArray], start: int, attributes: Attributes) -> None:
    """Write stamps ``start … start + n - 1`` of a set, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The shard's file.
    layers : mapping of str to ndarray (n, band, y, x)
        float32 images, uint8 masks; all of one length n.
    start : int
        Number of the first stamp within the set.
    attributes : mapping
        Facts about the set (pixel scale, zero-point, version, …); no dates.

    Raises
    ------
    DataError
        If the layers differ in length, are not 4-D or hold nothing, or the file cannot be written.
    """
    shapes = {name: layer.shape for name, layer in layers.items()}
    all_4d = all(len(shape) == 4 and min(shape) > 0 for shape in shapes.values())
    if not all_4d or len({shape[0] for shape in shapes.values()}) != 1:
        raise DataError(path, expected="layers of one length with axes (n, band, y, x)", found=str(shapes))
    with _writing(path) as file:
        _set_attributes(file, {**attributes, "start": start})
        for name, layer in layers.items():
            chunk = max(1, min(len(layer), CHUNK_BYTES // layer[0].nbytes))
            file.create_dataset(
                name,
                data=layer,
                chunks=(chunk, *layer.shape[1:]),
                compression="lzf",
                shuffle=True,
                fletcher32=True,
            )


def link_shards(path: str | Path, shards: Sequence[str | Path], attributes: Attributes) -> int:
    """Tie shards together as one file of virtual datasets; returns the number of stamps.

    Parameters
    ----------
    path : str or Path
        The set's file; it refers to the shards by paths relative to itself.
    shards : sequence of path
        In any order; they must cover 0 … n - 1 without gap or overlap.
    attributes : mapping
        Facts about the set.

    Raises
    ------
    DataError
        If a shard cannot be read or is damaged, or the shards leave a gap, overlap or differ in layers.
    """
    path = Path(path)
    if not shards:
        raise DataError(path, expected="at least one shard", found="none")
    starts = sorted((_start_of(Path(shard)), Path(shard)) for shard in shards)
    with _reading(starts[0][1]) as file:
        shapes = {name: (file[name].shape[1:], file[name].dtype) for name in file}
    total = _check_cover(path, starts, shapes)
    with _writing(path) as target:
        _set_attributes(target, attributes)
        for name, (shape, dtype) in shapes.items():
            _link(target, path, name, (total, *shape), dtype, starts)
    return total


def _start_of(shard: Path) -> int:
    with _reading(shard) as file:
        if "start" not in file.attrs:
            raise DataError(shard, expected="a shard of a stamp set", found="an HDF5 file without 'start'")
        return int(file.attrs["start"])


def _check_cover(path: Path, starts: list[tuple[int, Path]], shapes: Mapping) -> int:
    """Check that the shards follow each other without a gap; return the number of stamps."""
    expected = 0
    for start, shard in starts:
        with _reading(shard) as file:
            found = {name: (file[name].shape[1:], file[name].dtype) for name in file}
            count = len(file[next(iter(file))])
            check_seal(shard, with_pixels=True)
        if start != expected or found != shapes:
            raise DataError(
                shard,
                expected=f"stamps from {expected} on with layers {sorted(shapes)} for {path.name}",
                found=f"stamps from {start} on with layers {sorted(found)}",
                remedy="Remove the folder and run the stage again.",
            )
        expected += count
    return expected


def _link(
    file: h5py.File,
    path: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    starts: list[tuple[int, Path]],
) -> None:
    """Add a virtual dataset; without the time of creation, which h5py's own ones carry, so that bytes repeat."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    whole = h5py.h5s.create_simple(shape)
    for start, shard in starts:
        with _reading(shard) as source:
            part = source[name].shape
        relative = os.path.relpath(shard.resolve(), path.resolve().parent)
        whole.select_hyperslab((start, 0, 0, 0), part)
        settings.set_virtual(whole, relative.encode(), name.encode(), h5py.h5s.create_simple(part))
    whole.select_all()
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), whole, dcpl=settings)


@contextmanager
def _writing(path: str | Path) -> Iterator[h5py.File]:
    """Give an HDF5 file in memory that is written to `path` at the end, whole or not at all.

    HDF5 itself ends the process with a segmentation fault when the disk is full. What is written is in memory already,
    so this at most doubles it.
    """
    name = f"in-memory-{uuid4()}"
    with h5py.File(name, "w", libver="latest", driver="core", backing_store=False) as file:
        yield file
        image = sealed(file)
    with atomic_path(path) as partial:
        partial.write_bytes(image)


def _set_attributes(file: h5py.File, attributes: Attributes) -> None:
    """Set the facts about a set; text of fixed length, since HDF5 has no checksum for any other."""
    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode("utf-8")
            file.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(1, len(text))))
        else:
            file.attrs[name] = value


def _attribute(value: object) -> str | int | float:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.item() if isinstance(value, np.generic) else value


def _open(path: str | Path) -> h5py.File:
    try:
        check_seal(path)
        return h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error


@contextmanager
def _reading(path: str | Path) -> Iterator[h5py.File]:
    """Open a file; whatever h5py makes of damage is one error that names it."""
    with _open(path) as file, _translated(path):
        yield file


@contextmanager
def _translated(path: str | Path) -> Iterator[None]:
    try:
        yield
    except SkymillError:
        raise
    except Exception as error:
        # h5py raises what suits the place of the damage: OSError, KeyError, RuntimeError, TypeError, MemoryError, …
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> DataError:
    return DataError(
        path,
        expected="a readable HDF5 stamp set",
        found=" ".join(str(error).split()) or type(error).__name__,
        remedy="If it is damaged, delete it and run its stage again.",
    )


class StampSet:
    """n stamps of one size with named layers; reads what is asked for and never all at once.

    Attributes
    ----------
    path : Path
        The file.
    n : int
        Number of stamps.
    layers : tuple of str
        Names of the layers.
    attrs : dict
        Facts about the set, as given when it was written.

    Examples
    --------
    >>> with StampSet.open("stamps.h5") as stamps:   # doctest: +SKIP
    ...     first = stamps.read("image", slice(0, 10))   # (10, band, y, x) float32
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self._file = path, file
        self.layers = tuple(sorted(file))
        self.attrs = {name: _attribute(value) for name, value in file.attrs.items()}
        self.n = len(file[self.layers[0]])

    @classmethod
    def open(cls, path: str | Path) -> StampSet:
        """Open a set for reading; close it with ``with`` or :meth:`close`.

        Raises
        ------
        DataError
            If the file is missing, damaged, not HDF5 or holds no layers, or one of its shards is gone or cannot be
            read.
        """
        file = _open(path)
        try:
            with _translated(path):
                _check_layers(path, file)
                _check_shards(Path(path), file)
                return cls(Path(path), file)
        except DataError:
            file.close()
            raise

    def shape(self, layer: str) -> tuple[int, ...]:
        """Return (n, band, y, x) of a layer."""
        return self._layer(layer).shape

    def read(self, layer: str, index: slice | NDArray[np.integer] | Sequence[int]) -> NDArray:
        """Read some stamps of a layer.

        Parameters
        ----------
        layer : str
            Name of the layer.
        index : slice, sequence of int or mask
            Which stamps, in any order; repeats are allowed. A mask has one truth value for each stamp.

        Returns
        -------
        ndarray (m, band, y, x)
            In the order of `index`.

        Raises
        ------
        DataError
            If stamps are damaged; names the file that they are in.
        """
        dataset = self._layer(layer)
        try:
            return _read(dataset, index)
        except (OSError, RuntimeError) as error:
            for shard in _shards_of(self.path, self._file):
                check_seal(shard, with_pixels=True)
            raise _unreadable(self.path, error) from error

    def _layer(self, name: str) -> h5py.Dataset:
        if name not in self.layers:
            raise DataError(
                self.path, expected=f"one of the layers {', '.join(self.layers)}", found=f"'{name}'"
            )
        return self._file[name]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Return the number of stamps."""
        return self.n

    def __enter__(self) -> StampSet:
        """Return the set itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()


def _read(dataset: h5py.Dataset, index: slice | NDArray[np.integer] | Sequence[int]) -> NDArray:
    if isinstance(index, slice):
        return dataset[index]
    rows = np.flatnonzero(index) if np.asarray(index).dtype == bool else np.asarray(index, dtype=np.int64)
    unique, back = np.unique(rows, return_inverse=True)
    stamps = np.empty((len(unique), *dataset.shape[1:]), dtype=dataset.dtype)
    # One by one: HDF5's own selection of scattered rows is several times slower on virtual datasets.
    for place, row in enumerate(unique.tolist()):
        stamps[place] = dataset[row]
    return stamps[back]


def _check_layers(path: str | Path, file: h5py.File) -> None:
    if not len(file):
        raise DataError(path, expected="at least one layer", found="none")
    shapes = {name: getattr(file[name], "shape", None) for name in file}
    if any(shape is None or len(shape) != 4 for shape in shapes.values()):
        raise DataError(path, expected="layers with axes (n, band, y, x)", found=str(shapes))


def _shards_of(path: Path, file: h5py.File) -> dict[Path, dict[str, tuple[int, ...]]]:
    """Return the shards that a set refers to, with the shapes of the layers that it takes from each."""
    shards: dict[Path, dict[str, tuple[int, ...]]] = {}
    for name in file:
        for source in file[name].virtual_sources() if file[name].is_virtual else ():
            first, last = source.vspace.get_select_bounds()
            shape = tuple(end - start + 1 for start, end in zip(first, last, strict=True))
            shards.setdefault(path.parent / source.file_name, {})[source.dset_name] = shape
    return shards


def _check_shards(path: Path, file: h5py.File) -> None:
    """HDF5 fills a virtual source that is missing, or that it cannot open, with zeros in silence: refuse it instead."""
    for shard, layers in _shards_of(path, file).items():
        if not shard.is_file():
            raise DataError(shard, expected="a shard of the set", found="no such file")
        with _reading(shard) as opened:
            found = {name: opened[name].shape for name in layers}
        if found != layers:
            raise DataError(shard, expected=f"layers {layers} for {path.name}", found=str(found))
