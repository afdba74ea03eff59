"""From the planes of a survey's mask to skymill's mask bits: by name, by number, or because the header says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.tile import MaskBit, bands
from skymill.errors import DataError
from skymill.ingest.mask_conventions import MASK_CONVENTIONS, Convention, Plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES = {"bad": MaskBit.BAD, "saturated": MaskBit.SATURATED, "no_data": MaskBit.NO_DATA}
WHOLE = {"nonzero": False, "zero": True}
"""Words that take a mask as a whole, and whether 0 is then what is bad."""
MAX_CODE = 255
EXACT_INTEGERS = 2**53
LISTED = 12


@dataclass(frozen=True)
class Translation:
    """A mask in skymill's bits, and what it was made from.

    Parameters
    ----------
    bits : ndarray (y, x), uint8
        Bits of :class:`~skymill.data.tile.MaskBit`.
    convention : str
        What gave the planes their meaning.
    taken, left : dict
        Pixels of each plane, by its name and number; `taken` says what they were taken for as well.
    """

    bits: NDArray[np.uint8]
    convention: str
    taken: dict[str, int]
    left: dict[str, int]


def translate(data: NDArray, convention: Convention | None, wanted: str | None, where: str) -> Translation:
    """Turn a mask as its file holds it into skymill's bits.

    Parameters
    ----------
    data : ndarray (y, x)
        Integers, or floats that hold integers, in native byte order. NaN and infinite pixels are without data.
    convention : Convention or None
        What its planes mean, if that is known.
    wanted : str or None
        The tile table's ``mask_planes``; None: what the convention says, or nonzero if there is one nonzero value.
    where : str
        File and HDU, for messages.

    Returns
    -------
    Translation
        Bits and account.

    Raises
    ------
    DataError
        If a plane that is wanted is unknown, or if nothing says which of several values are bad.
    """
    bits = np.zeros(data.shape, dtype=np.uint8)
    if data.dtype.kind == "f" and not (finite := np.isfinite(data)).all():
        bits[~finite] = MaskBit.NO_DATA
        data = np.where(finite, data, 0)
    word, _, role = (part.strip() for part in (wanted or "").partition("="))
    if word in WHOLE or (not wanted and convention is None and _one_value(data)):
        taken = _whole(bits, data, is_inverted=WHOLE.get(word, False), role=ROLES[role or "bad"])
        return Translation(bits, "values", {f"{word or 'nonzero'} → {role or 'bad'}": taken}, {})
    flags = _flags(data, where)
    convention = convention or Convention("bit numbers", {})
    counts = _count(flags, convention, where)
    if not wanted and not convention.planes:
        raise _unnamed(counts, where)
    planes = _wanted(wanted, convention, flags.dtype, where) if wanted else convention.planes
    taken = {label: plane for label, plane in planes.items() if plane.role is not None}
    _mark(bits, flags, taken, convention.are_codes)
    return Translation(bits, convention.name, *_account(counts, taken, convention))


def _one_value(data: NDArray) -> bool:
    """Whether all nonzero pixels hold the same number."""
    set_ = data[data != 0]
    return not set_.size or bool((set_ == set_[0]).all())


def _whole(bits: NDArray[np.uint8], data: NDArray, *, is_inverted: bool, role: MaskBit) -> int:
    """Mark the pixels that are not 0, or those that are; NaN pixels are marked already."""
    chosen = ((data == 0) if is_inverted else (data != 0)) & (bits == 0)
    bits[chosen] |= np.uint8(role)
    return int(np.count_nonzero(chosen))


def _flags(data: NDArray, where: str) -> NDArray[np.unsignedinteger]:
    """Return a mask's bits as unsigned integers; a sign is the highest bit."""
    if data.dtype.kind == "f":
        if (data != np.rint(data)).any() or (np.abs(data) >= EXACT_INTEGERS).any():
            raise DataError(
                where,
                expected="a mask of integers",
                found=f"values from {data.min():.4g} to {data.max():.4g}",
                remedy="If it is a noise or weight map, name it with rms and rms_kind; if 0 alone (or all but 0) marks"
                " bad pixels, write 'zero' (or 'nonzero') into mask_planes.",
            )
        data = data.astype(np.int64)
    return data.view(data.dtype.str.replace("i", "u"))


def _count(flags: NDArray, convention: Convention, where: str) -> dict[int, int]:
    """Count the pixels of each bit, or of each code, that occurs."""
    if convention.are_codes:
        if flags.max() > MAX_CODE:
            raise DataError(
                where,
                expected=f"codes from 0 to {MAX_CODE} ({convention.name})",
                found=f"{flags.max()}",
                remedy="Name the mask's convention in mask_convention.",
            )
        found = np.bincount(flags.ravel())
        return {code: int(found[code]) for code in np.flatnonzero(found).tolist() if code}
    used = int(np.bitwise_or.reduce(flags, axis=None))
    return {bit: _pixels(flags, bit) for bit in range(flags.dtype.itemsize * 8) if used >> bit & 1}


def _pixels(flags: NDArray, bit: int) -> int:
    value = flags.dtype.type(1 << bit)
    return sum(int(np.count_nonzero(flags[rows] & value)) for rows in bands(len(flags)))


def _wanted(wanted: str, convention: Convention, dtype: np.dtype, where: str) -> dict[str, Plane]:
    """Look up the planes that the tile table names, each ``NAME`` or ``number``, with ``=role`` or its usual one."""
    numbered = {plane.number: name for name, plane in convention.planes.items()}
    highest = MAX_CODE if convention.are_codes else dtype.itemsize * 8 - 1
    planes = {}
    for word in (part.strip() for part in wanted.split(",")):
        name, _, role = (part.strip() for part in word.partition("="))
        name = numbered.get(int(name), name) if name.isdigit() else name
        if name not in convention.planes and not (name.isdigit() and int(name) <= highest):
            known = ", ".join(f"{plane} ({number})" for plane, (number, _) in convention.planes.items())
            raise DataError(
                where,
                expected=f"mask_planes of {convention.name}: {known or 'no names are known'}, or 0 to {highest}",
                found=repr(name),
                remedy="Correct mask_planes, or say which survey's names they are with mask_convention.",
            )
        usual = convention.planes.get(name) or Plane(int(name), MaskBit.BAD)
        planes[name] = Plane(usual.number, ROLES[role] if role else usual.role or MaskBit.BAD)
    return planes


def _mark(bits: NDArray[np.uint8], flags: NDArray, taken: Mapping[str, Plane], are_codes: bool) -> None:
    for role in MaskBit:
        numbers = sorted({plane.number for plane in taken.values() if plane.role is role})
        value = flags.dtype.type(sum(1 << number for number in numbers if number < flags.dtype.itemsize * 8))
        for rows in bands(len(flags)):
            found = np.isin(flags[rows], numbers) if are_codes else (flags[rows] & value) != 0
            bits[rows][found] |= np.uint8(role)


def _account(
    counts: Mapping[int, int], taken: Mapping[str, Plane], convention: Convention
) -> tuple[dict[str, int], dict[str, int]]:
    names = {plane.number: f"{name} ({plane.number})" for name, plane in convention.planes.items()}
    roles = {role: word for word, role in ROLES.items()}
    used = {plane.number: roles[plane.role] for plane in taken.values()}
    label = {number: names.get(number, f"{number}") for number in {*counts, *used}}
    return (
        {f"{label[number]} → {role}": counts.get(number, 0) for number, role in used.items()},
        {label[number]: pixels for number, pixels in counts.items() if number not in used},
    )


def _unnamed(counts: Mapping[int, int], where: str) -> DataError:
    listed = [f"{bit}: {pixels} px" for bit, pixels in list(counts.items())[:LISTED]]
    more = f" and {len(counts) - LISTED} more" if len(counts) > LISTED else ""
    return DataError(
        where,
        expected="a mask of one nonzero value, or a header that names its planes",
        found=f"several values, with the bits {', '.join(listed)}{more}",
        remedy="List the bits that make a pixel bad in mask_planes (as 0, 1=saturated, 8=no_data), name the mask's"
        f" mask_convention ({', '.join(MASK_CONVENTIONS)}), or write 'nonzero' into mask_planes if every value does.",
    )
