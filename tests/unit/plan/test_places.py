"""Two files never become one, and none's name stops a run."""

import os

import pytest

from skymill.errors import ConfigError
from skymill.plan.places import Places, fetched_name

SHA = "0" * 64


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return Places("data")


def test_without_a_folder_every_location_stays(tmp_path):
    places = Places(None)
    assert places.local("one/calexp.fits", "tile a, image") == "one/calexp.fits"
    assert places.local("two/calexp.fits", "tile b, image") == "two/calexp.fits"


@pytest.mark.parametrize("found", ["is not there", "is no folder"])
def test_a_data_dir_that_is_none_is_refused(tmp_path, found):
    path = tmp_path / "data"
    if found == "is no folder":
        path.write_text("a file")
    with pytest.raises(ConfigError, match=f"data_dir: expected a folder .*{found}"):
        Places(str(path))


def test_one_location_may_be_named_twice(data):
    assert data.local("one/a.fits", "tile a, image") == "data/a.fits"
    assert data.local("./one//a.fits", "tile b, image") == "data/a.fits"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("one/calexp.fits", "two/calexp.fits"),
        ("http://host/one/calexp.fits", "http://host/two/calexp.fits"),
        ("http://host/calexp.fits?ra=1", "http://host/calexp.fits?ra=2"),
        ("http://host/a/calexp.fits", "calexp.fits"),
        ("http://host/a//calexp.fits", "http://host/a/calexp.fits"),
        ("http://host/a%20b.fits", "one/a b.fits"),
        ("one/calexp.fits", "ONE/calexp.fits"),
    ],
)
def test_one_file_for_two_locations_is_refused_with_both_rows_named(data, first, second):
    data.local(first, "tile a, image")
    with pytest.raises(ConfigError) as refused:
        data.local(second, "tile b, rms")
    text = str(refused.value)
    assert "\n" not in text
    for part in (first, second, "tile a, image", "tile b, rms", "data_dir"):
        assert part in text


def test_names_that_differ_by_case_are_two_files_where_they_are_two(data, tmp_path):
    for name in ("A.fits", "a.fits"):
        (tmp_path / "data" / name).touch()
    data.local("one/A.fits", "tile a, image")
    assert data.local("one/a.fits", "tile b, image") == "data/a.fits"


def test_names_that_differ_by_case_are_refused_where_they_are_one_file(data, tmp_path):
    (tmp_path / "data/A.fits").touch()
    os.link(tmp_path / "data/A.fits", tmp_path / "data/a.fits")
    data.local("one/A.fits", "tile a, image")
    with pytest.raises(ConfigError, match="expected one file for each location"):
        data.local("one/a.fits", "tile b, image")


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("http://host/calexp.fits", "calexp-{}.fits"),
        ("http://host/frame-r.fits.bz2?ra=1", "frame-r-{}.fits.bz2"),
        ("http://host/%2e%2e/%2e%2e", "file-{}"),
        ("http://host/", "file-{}"),
        ("http://host/cutout?file=/etc/passwd", "cutout-{}"),
        ("http://host/a b{c}$(d).fits", "a_b_c_d-{}.fits"),
        ("http://host/étoile.fits", "toile-{}.fits"),
        ("http://host/.hidden", "file-{}.hidden"),
    ],
)
def test_a_fetched_file_has_a_readable_name_and_a_hash_of_its_address(url, readable):
    name = fetched_name(url, None)
    digest = name.partition(".")[0][-10:]
    assert name == readable.format(digest)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("http://host/one/calexp.fits", None), ("http://host/two/calexp.fits", None)),
        (("http://host/cutout?ra=1", None), ("http://host/cutout?ra=2", None)),
        (("http://host/a.fits", None), ("http://host/a.fits", SHA)),
        (("http://host/A.fits", None), ("http://host/a.fits", None)),
        (("http://host/a.fits", None), ("https://host/a.fits", None)),
    ],
)
def test_two_addresses_are_two_files(first, second):
    assert fetched_name(*first).casefold() != fetched_name(*second).casefold()


def test_a_long_address_has_a_name_that_every_file_system_takes():
    name = fetched_name(f"http://host/{'n' * 300}.{'f' * 300}", None)
    assert len(name.encode()) <= 100
