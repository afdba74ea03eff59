from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from skymill.config.ingest import IngestConfig, TileFacts, TileRow, is_url, load_tiles, local_location
from skymill.errors import ConfigError

SHA = "0123456789abcdef" * 4


@pytest.fixture
def table(tmp_path: Path):
    def write(*lines: str) -> Path:
        path = tmp_path / "tiles.tsv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def test_a_row_takes_defaults_for_empty_cells(table):
    path = table(
        "tile_id\tsurvey\timage\timage_hdu\tzero_point_mag\trms\tbackground",
        "# a comment",
        "",
        "a-1\tsdss_r\tdata/a.fits\t\t\t\t",
        "a_2\tsdss_r\thttps://host/b.fits.bz2\tSCI\t25.5\trms.fits\tsubtracted",
        "a3\tsdss_r\tc.fits\t3",
    )
    first, second, third = load_tiles(path)

    assert first == TileRow(tile_id="a-1", survey="sdss_r", image="data/a.fits")
    assert (first.background, first.rms_kind, first.zero_point_mag) == ("measure", "rms", None)
    assert (second.image_hdu, second.zero_point_mag, second.background) == ("SCI", 25.5, "subtracted")
    assert third.image_hdu == 3


def test_a_table_without_a_row_is_refused(table):
    with pytest.raises(ConfigError, match="expected a tile table with one row at least, found none"):
        load_tiles(table("tile_id\tsurvey\timage"))


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("tile_id\tsurvey\timage", "../../etc\ts\ta.fits", "line 2, column tile_id"),
        ("tile_id\tsurvey\timage", "a b\ts\ta.fits", "line 2, column tile_id"),
        ("tile_id\tsurvey\timage", "\ts\ta.fits", "line 2, column tile_id: .*found an empty cell"),
        (
            "tile_id\tsurvey\timage",
            "a\ts\tftp://host/a.fits",
            r"column image: expected a path or an http\(s\) URL",
        ),
        (
            "tile_id\tsurvey\timage\tzero_point_mag",
            "a\ts\ta.fits\tbright",
            "column zero_point_mag: .*'bright'",
        ),
        ("tile_id\tsurvey\timage\tzero_point_mag", "a\ts\ta.fits\tnan", "column zero_point_mag"),
        ("tile_id\tsurvey\timage\trms_kind", "a\ts\ta.fits\tweight", "column rms_kind: .*'weight'"),
        ("tile_id\tsurvey\timage\tbackground", "a\ts\ta.fits\tyes", "column background"),
        ("tile_id\tsurvey\timage\tsha256", "a\ts\ta.fits\tABC", "column sha256"),
        ("tile_id\tsurvey\timage\treference", "a\ts\ta.fits\tr.fits", "line 2: expected reference and"),
        (
            "tile_id\tsurvey\timage\trms_sha256",
            f"a\ts\ta.fits\t{SHA}",
            "rms_sha256 is given but rms is empty",
        ),
        (
            "tile_id\tsurvey\timage\tmask_planes",
            "a\ts\ta.fits\tBAD",
            "mask_planes is given but mask and mask_hdu are empty",
        ),
        ("tile_id\tsurvey\timage\tmask_hdu\tmask_planes", "a\ts\ta.fits\t2\t64", "mask_planes: .*'64'"),
        ("tile_id\tsurvey\timage\tmask_hdu\tmask_planes", "a\ts\ta.fits\t2\tBAD=x", "mask_planes: .*'BAD=x'"),
        ("tile_id\tsurvey\timage\tmask\tmask_convention", "a\ts\ta.fits\tm\thst", "mask_convention: .*'hst'"),
        ("tile_id\tsurvey\timage", "a\ts\ta.fits\tmore", "line 2: expected 3 cells, found 4"),
        ("tile_id\tsurvey\timage\tmaks", "a\ts\ta.fits\t", "header: .*found unknown: maks"),
        ("tile_id\tsurvey", "a\ts", "header: .*found missing: image"),
        ("tile_id\tsurvey\timage\timage", "a\ts\ta.fits\tb.fits", "header: .*a column twice"),
    ],
)
def test_a_wrong_cell_is_named_with_file_line_and_column(table, header, row, message):
    path = table(header, row)

    with pytest.raises(ConfigError, match=message) as caught:
        load_tiles(path)
    assert str(path) in str(caught.value)


def test_a_tile_id_that_occurs_twice_is_refused(table):
    path = table("tile_id\tsurvey\timage", "a\ts\ta.fits", "b\ts\tb.fits", "a\ts\tc.fits")

    with pytest.raises(ConfigError, match="line 4, column tile_id: expected each tile_id once, found 'a'"):
        load_tiles(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x01", b""])
def test_a_table_that_cannot_be_read_is_one_error(tmp_path, content):
    path = tmp_path / "tiles.tsv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"tiles\.tsv"):
        load_tiles(path)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://host/path/frame-r.fits.bz2", "frame-r.fits.bz2"),
        ("https://host/get/a%2Db.fits?token=1#top", "a-b.fits"),
        ("some/where/image.fits.fz", "image.fits.fz"),
    ],
)
def test_data_dir_replaces_where_a_file_lies(location, name):
    assert local_location(location) == location
    assert local_location(location, "folder") == str(Path("folder") / name)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("https://host/", "folder"),
        ("https://host/a%20b.fits?ra=1#x", "folder/a b.fits"),
        ("HTTPS://host/deep/a.fits", "folder/a.fits"),
        ("other/a {b}.fits", "folder/a {b}.fits"),
        ("c#1?.fits", "folder/c#1?.fits"),
    ],
)
def test_data_dir_holds_files_by_their_last_names(location, path):
    assert local_location(location, "folder") == path


@pytest.mark.parametrize("location", ["https://host/a/..", "https://host/%2e%2e", "https://host/a%2f..%2f.."])
def test_a_last_name_never_leaves_the_folder(location):
    assert local_location(location, "folder") == "folder"


def test_urls_are_told_from_paths():
    assert is_url("https://host/a.fits")
    assert is_url("http://host/a.fits")
    assert not is_url("data/a.fits")
    assert not is_url("/data/https/a.fits")


def test_the_facts_of_a_tile_leave_out_where_its_files_lie():
    assert not {"image", "rms", "mask", "reference"} & set(TileFacts.model_fields)
    # Rows and facts share the names, so that a recipe can hold the one and the stage read the other.
    assert set(TileFacts.model_fields) < set(TileRow.model_fields)


def test_ingest_defaults_and_bounds():
    config = IngestConfig()

    assert config.on_mismatch == "refuse"
    for wrong in ({"psf_tolerance": 0}, {"background_box_px": 1}, {"on_mismatch": "ignore"}, {"psf_tol": 1}):
        with pytest.raises(ValidationError):
            IngestConfig(**wrong)


def test_the_table_of_the_sdss_frame_is_valid(repository):
    (row,) = load_tiles(repository / "config/sdss_tiles.tsv")

    assert is_url(row.image)
    assert row.sha256
    assert is_url(row.reference)
    assert row.reference_sha256
    assert (row.survey, row.zero_point_mag, row.background) == ("sdss_r", 22.5, "subtracted")


def test_the_table_to_fill_in_has_the_columns_of_a_tile_and_no_row(repository):
    with pytest.raises(ConfigError, match="one row at least"):
        load_tiles(repository / "config/tiles.tsv")
