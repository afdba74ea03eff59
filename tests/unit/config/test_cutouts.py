"""The table of observed galaxies."""

from pathlib import Path

import pytest

from skymill.config.cutouts import load_cutouts
from skymill.errors import ConfigError

HEADER = "id\timage\tsegmentation\tpsf\tpixel_scale_arcsec\tzero_point_mag\tsegment\tsigma"
ROW = "g1\ti.fits\ts.fits\tp.fits\t0.2\t25\t\t"


@pytest.fixture
def table(tmp_path):
    def write(*lines: str) -> Path:
        path = tmp_path / "galaxies.tsv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_rows_are_read_with_their_defaults(table):
    rows = load_cutouts(table("# a comment", HEADER, ROW, "", ROW.replace("g1", "g2")[:-1] + "3\tnoise.fits"))

    assert [(row.id, row.segment, row.sigma, row.mask) for row in rows] == [
        ("g1", "centre", None, None),
        ("g2", 3, "noise.fits", None),
    ]


def test_paths_begin_at_the_table_unless_they_are_absolute(table, tmp_path):
    path = table(HEADER, ROW.replace("p.fits", "/elsewhere/p.fits"))
    (row,) = load_cutouts(path)

    assert row.files(path) == {
        "image": tmp_path / "i.fits",
        "segmentation": tmp_path / "s.fits",
        "psf": Path("/elsewhere/p.fits"),
    }


@pytest.mark.parametrize("data_dir", ["elsewhere", "/else/where"])
def test_a_folder_with_files_of_the_same_names_replaces_all_paths(table, data_dir):
    path = table(HEADER, ROW.replace("p.fits", "/psfs/p.fits").replace("i.fits", "images/i.fits"))
    (row,) = load_cutouts(path)

    assert set(row.files(path, data_dir).values()) == {
        Path(data_dir) / name for name in ("i.fits", "s.fits", "p.fits")
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, ROW, ROW], r"line 3, column id: expected each id once, found 'g1' a second time"),
        (
            [HEADER.replace("psf", "star"), ROW],
            r"header: expected the columns id, image.* found unknown: star",
        ),
        ([HEADER.replace("\tpsf", ""), ROW], r"header: .* found missing: psf"),
        ([HEADER, ROW.replace("0.2", "wide")], r"line 2, column pixel_scale_arcsec: .* found 'wide'"),
        ([HEADER, ROW.replace("0.2", "0")], r"line 2, column pixel_scale_arcsec: .* found '0'"),
        ([HEADER, ROW[:-1] + "middle"], r"line 2, column segment: .*found 'middle'"),
        ([HEADER, ROW[:-1] + "0"], r"line 2, column segment"),
        ([HEADER, ROW.replace("p.fits", "")], r"line 2, column psf: .*found an empty cell"),
        ([HEADER, ROW.replace("i.fits", "http://x/i.fits")], r"line 2, column image: expected a path, found"),
        ([HEADER, ROW.replace("g1", "../g1")], r"line 2, column id"),
        ([HEADER, ROW + "\tmore"], r"line 2: expected 8 cells, found 9"),
    ],
)
def test_wrong_tables_are_refused_with_their_place(table, lines, message):
    with pytest.raises(ConfigError, match=message):
        load_cutouts(table(*lines))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.tsv: expected a tab-separated table of cutouts"):
        load_cutouts(tmp_path / "none.tsv")
