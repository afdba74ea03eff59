"""Files that are not those that a recipe was made for are refused."""

import os

import pytest

from skymill.errors import DataError
from skymill.provenance.outside import check_identities, identity


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.fits"
    path.write_bytes(b"12345")
    os.utime(path, ns=(7, 7))
    return path


def recipe(**parents):
    return {"parents": parents}


def test_an_identity_is_size_and_time(image):
    assert identity(image) == "size:5 mtime_ns:7"
    assert identity(image.with_name("none.fits")) == "missing"


def test_the_file_that_was_meant_is_taken(image):
    check_identities(recipe(image=identity(image), tile="0123456789"), {"image": image, "tile": "nowhere"})


def test_checksums_and_addresses_are_not_its_matter(image):
    check_identities(recipe(image="a" * 64, rms="url:https://a/b.fits"), {"image": image, "rms": "nowhere"})


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b"1234"), "size:4"),
        (lambda path: os.utime(path, ns=(8, 8)), "size:5 mtime_ns:8"),
    ],
)
def test_a_file_that_has_changed_is_refused(image, change, found):
    meant = recipe(image=identity(image))
    change(image)
    with pytest.raises(DataError, match=rf"image\.fits: expected the file as it was .*size:5.*found {found}"):
        check_identities(meant, {"image": image})


def test_a_file_that_has_come_is_refused(image):
    with pytest.raises(DataError, match=r"\(missing\), found size:5"):
        check_identities(recipe(image="missing"), {"image": image})
