from __future__ import annotations

import numpy as np
import pytest

from skymill.data.tile import MaskBit
from skymill.errors import DataError
from skymill.ingest.mask_conventions import MASK_CONVENTIONS, recognise
from skymill.ingest.mask_planes import translate

BAD, SATURATED, NO_DATA = (int(bit) for bit in (MaskBit.BAD, MaskBit.SATURATED, MaskBit.NO_DATA))
LSST = {"MP_BAD": 0, "MP_SAT": 1, "MP_INTRP": 2, "MP_CR": 3, "MP_EDGE": 4, "MP_DETECTED": 5, "MP_NO_DATA": 8}


def bits_of(values, convention=None, wanted=None, dtype=np.int32) -> list[int]:
    return translate(np.array([values], dtype=dtype), convention, wanted, "m.fits").bits[0].tolist()


@pytest.fixture
def lsst():
    return recognise(LSST, "m.fits")


def test_planes_named_in_the_header_are_taken_by_their_meaning(lsst):
    made = translate(
        np.array([[0, 1, 2, 4, 8, 16, 32, 256, 33, 34, 32 + 256]], dtype=np.int32), lsst, None, "m"
    )

    assert made.bits[0].tolist() == [
        0, BAD, SATURATED, 0, BAD, BAD, 0, NO_DATA, BAD, SATURATED, NO_DATA,
    ]  # fmt: skip
    assert made.taken == {
        "BAD (0) → bad": 2,
        "SAT (1) → saturated": 2,
        "CR (3) → bad": 1,
        "EDGE (4) → bad": 1,
        "NO_DATA (8) → no_data": 2,
    }
    assert made.left == {"INTRP (2)": 1, "DETECTED (5)": 4}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("BAD", [0, BAD, 0, 0, 0]),
        ("BAD, SAT", [0, BAD, SATURATED, 0, 0]),
        ("0,1", [0, BAD, SATURATED, 0, 0]),
        # What is asked for by name is taken, what it usually means notwithstanding.
        ("DETECTED", [0, 0, 0, BAD, 0]),
        ("SAT=bad, 5 = no_data", [0, 0, BAD, NO_DATA, 0]),
        # A bit without a name.
        ("20", [0, 0, 0, 0, BAD]),
        ("nonzero", [0, BAD, BAD, BAD, BAD]),
        ("nonzero=no_data", [0, NO_DATA, NO_DATA, NO_DATA, NO_DATA]),
        ("zero", [BAD, 0, 0, 0, 0]),
        ("zero = saturated", [SATURATED, 0, 0, 0, 0]),
    ],
)
def test_planes_are_chosen_by_name_or_number(lsst, wanted, expected):
    assert bits_of([0, 1, 2, 32, 1 << 20], lsst, wanted) == expected


def test_numbers_do_without_a_convention():
    assert bits_of([0, 1, 2, 6, 8], wanted="0, 2=saturated") == [0, BAD, 0, SATURATED, 0]


@pytest.mark.parametrize("wanted", ["FOO", "BAD, DETECTED_NEGATIVE", "32", "bad"])
def test_an_unknown_plane_is_refused_with_the_known_ones(lsst, wanted):
    with pytest.raises(
        DataError, match=r"m\.fits: expected mask_planes of lsst: BAD \(0\), SAT \(1\), .* or 0 to 31"
    ):
        bits_of([0, 1], lsst, wanted)


def test_a_name_needs_a_convention():
    with pytest.raises(DataError, match=r"no names are known.*mask_convention"):
        bits_of([0, 1], wanted="BAD")


@pytest.mark.parametrize("value", [1, 4, 255, -1, 7])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32])
def test_one_nonzero_value_is_bad(value, dtype):
    assert bits_of([0, value, 0, value], dtype=dtype) == [0, BAD, 0, BAD]


def test_several_values_without_names_are_refused_with_their_bits():
    values = [0, 1, 1, 32, 33, 0]

    with pytest.raises(DataError, match=r"with the bits 0: 3 px, 5: 2 px\. List the bits") as caught:
        bits_of(values)
    assert "decam_codes" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_list_of_bits_is_short():
    with pytest.raises(DataError, match="11: 1 px and 20 more"):
        bits_of([1 << bit for bit in range(32)], dtype=np.uint32)


def test_pixels_that_are_not_finite_are_without_data():
    values = [0.0, 1.0, np.nan, np.inf]

    assert bits_of(values, dtype=np.float32) == [0, BAD, NO_DATA, NO_DATA]
    assert bits_of(values, wanted="zero", dtype=np.float32) == [BAD, 0, NO_DATA, NO_DATA]
    assert bits_of(values, wanted="0=saturated", dtype=np.float64) == [0, SATURATED, NO_DATA, NO_DATA]


@pytest.mark.parametrize("values", [[0.25, 0.5, 1.0], [1e30, 0.0, 3.0]])
def test_weights_are_no_mask_unless_zero_alone_is_meant(values):
    with pytest.raises(DataError, match=r"expected a mask of integers, found values from .*rms_kind"):
        bits_of(values, dtype=np.float32)
    assert bits_of([0.0, *values], wanted="zero", dtype=np.float64)[0] == BAD


@pytest.mark.parametrize(
    ("dtype", "bit"),
    [(np.uint8, 7), (np.int16, 15), (np.int32, 30), (np.int32, 31), (np.uint64, 63), (np.int64, 62)],
)
def test_the_highest_bits_count_beside_the_lowest(dtype, bit):
    # As a float32 the highest bit would swallow the lowest, and a sign is a bit.
    unsigned = np.dtype(dtype).str.replace("i", "u")
    values = np.array([0, 1, 1 << bit, (1 << bit) + 1], dtype=unsigned).view(dtype)

    assert bits_of(values, wanted=f"0, {bit}=no_data", dtype=dtype) == [0, BAD, NO_DATA, BAD | NO_DATA]


def test_two_names_of_one_bit_are_that_bit():
    convention = recognise({"MP_BAD": 0, "MP_CR": 0, "MP_EDGE": 1}, "m")

    assert bits_of([0, 1, 2, 4], convention) == [0, BAD, BAD, 0]


def test_codes_are_not_bits():
    codes = MASK_CONVENTIONS["decam_codes"]
    made = translate(np.arange(10, dtype=np.int16)[None], codes, None, "m")

    assert made.bits[0].tolist() == [0, BAD, NO_DATA, SATURATED, SATURATED, BAD, BAD, BAD, BAD, 0]
    assert made.left == {"9": 1}
    assert bits_of(range(10), codes, "5, STREAK") == [0, 0, 0, 0, 0, BAD, 0, 0, BAD, 0]
    with pytest.raises(DataError, match=r"expected codes from 0 to 255 \(decam_codes\), found 4096"):
        bits_of([0, 4096], codes)


def test_a_mask_of_nothing_takes_nothing(lsst):
    for convention in (None, lsst):
        made = translate(np.zeros((3, 4), dtype=np.uint8), convention, None, "m")
        assert not made.bits.any()
        assert sum(made.taken.values()) == 0
