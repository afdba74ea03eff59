"""Faults of files: of their bytes, their words, their FITS cards and pixels. Each takes a generator of numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.random import Generator

WORDS = [
    *("0", "-1", "1e400", "nan", ".nan", "-inf", "", "null", "true", "[]", "{}", "''", "9" * 400, "1" * 5000),
    *(
        "../../x",
        "é\u202e",
        "\0",
        "*a",
        "&a",
        "!!set {}",
        "2020-01-99",
        "a" * 3000,
        "[" * 60,
        "\n",
        "\t",
        "1_0",
    ),
    *("0x1F", "12:30:45", "~", "<<"),
]
CARDS = [
    *(
        "NAXIS1",
        "NAXIS2",
        "NAXIS",
        "BITPIX",
        "BZERO",
        "BSCALE",
        "BLANK",
        "CRVAL1",
        "CRPIX1",
        "CTYPE1",
        "CTYPE2",
    ),
    *("CD1_1", "CDELT1", "CUNIT1", "RADESYS", "EQUINOX", "GAIN", "BUNIT", "MAGZERO", "FILTER", "SATURATE"),
    *("EXTEND", "PCOUNT", "WCSAXES"),
]
VALUES = [
    *(
        "0",
        "-1",
        "1",
        "99999999",
        "-32",
        "8",
        "1E300",
        "1E-300",
        "NaN",
        "'abc'",
        "''",
        "T",
        "F",
        "'RA---XXX'",
    ),
    *("9" * 60, "= = ="),
]
PIXELS = [np.nan, np.inf, -np.inf, 0.0, 1e38, -1e30, 1e-38, 1e10, -1e10]


def spoil_bytes(data: bytes, random: Generator) -> bytes:
    """Flip, cut, repeat or overwrite bytes."""
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 9))):
        at = int(random.integers(0, max(len(changed), 1)))
        match int(random.integers(0, 5)):
            case 0 | 1 if changed:
                changed[at] ^= 1 << int(random.integers(0, 8))
            case 2 if changed:
                changed[at : at + 8] = random.bytes(8)
            case 3 if random.random() < 0.3:
                del changed[at:]
            case _:
                changed[at : at + 40] = changed[max(at - 60, 0) : max(at - 20, 0)]
    return bytes(changed)


def spoil_words(data: bytes, random: Generator) -> bytes:
    """Put odd words in the place of some of a text's, drop or repeat lines, or spoil its bytes."""
    if random.random() < 0.15:
        return spoil_bytes(data, random)
    text = data.decode("utf-8")
    for _ in range(int(random.integers(1, 4))):
        if random.random() < 0.2:
            lines = text.splitlines(keepends=True) or [""]
            at = int(random.integers(0, len(lines)))
            lines[at : at + 1] = [lines[at]] * int(random.choice([0, 2]))
            text = "".join(lines)
            continue
        spans = [match.span() for match in re.finditer(r"[\w.+-]+", text)] or [(0, 0)]
        begin, end = spans[int(random.integers(0, len(spans)))]
        text = text[:begin] + WORDS[int(random.integers(0, len(WORDS)))] + text[end:]
    return text.encode("utf-8", "surrogatepass")


def spoil_fits(data: bytes, random: Generator) -> bytes:
    """Change cards of the header, or pixels, or bytes; the file keeps its blocks of 2880 bytes unless it is cut."""
    kind = random.random()
    if kind < 0.2:
        return spoil_bytes(data, random)
    end = 2880 * -(-(data.index(b"END" + b" " * 77) + 80) // 2880)
    header, body = bytearray(data[:end]), bytearray(data[end:])
    if kind < 0.6:
        for _ in range(int(random.integers(1, 4))):
            _change_card(header, random)
    else:
        pixels = np.frombuffer(body, dtype=">f4")
        begin = int(random.integers(0, len(pixels)))
        count = int(random.choice([1, 10, 1000, len(pixels)]))
        pixels[begin : begin + count] = PIXELS[int(random.integers(0, len(PIXELS)))]
    return bytes(header + body)


def _change_card(header: bytearray, random: Generator) -> None:
    name = CARDS[int(random.integers(0, len(CARDS)))]
    value = VALUES[int(random.integers(0, len(VALUES)))]
    card = f"{name:8}= {value:>20}"[:80].ljust(80).encode("ascii")
    places = [at for at in range(0, len(header), 80) if header[at : at + 8] == name.ljust(8).encode("ascii")]
    at = places[0] if places else 80 * int(random.integers(3, 12))
    header[at : at + 80] = card


def spoiled(data: bytes, seed: int, how: str) -> bytes:
    """Return a file's bytes with the fault of a number; the same number gives the same fault."""
    spoil = {"bytes": spoil_bytes, "words": spoil_words, "fits": spoil_fits}[how]
    return spoil(data, np.random.default_rng(seed))


def spoil_file(source: Path, target: Path, seed: int, how: str) -> None:
    """Write a copy of a file with the fault of a number."""
    target.write_bytes(spoiled(source.read_bytes(), seed, how))
