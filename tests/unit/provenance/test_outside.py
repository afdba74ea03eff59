"""Files that are not those that a recipe was made for are refused."""

import hashlib
import os

import pytest

from skymill.errors import DataError
from skymill.provenance.outside import check_identities, identity, look_at, place


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.fits"
    path.write_bytes(b"12345")
    os.utime(path, ns=(7, 7))
    return path


def recipe(**parents):
    return {"parents": parents}


def test_an_identity_is_what_a_file_holds(image):
    content = hashlib.sha256(b"12345").hexdigest()
    assert identity(image) == f"sha256:{content}"
    link = image.with_name("link.fits")
    link.symlink_to("image.fits")
    assert identity(link) == identity(image)
    image.write_bytes(b"54321")
    os.utime(image, ns=(7, 7))
    assert identity(image) == f"sha256:{hashlib.sha256(b'54321').hexdigest()}"


@pytest.mark.parametrize("name", ["none.fits", "a\0b.fits", "n" * 300, "folder", ""])
def test_what_is_no_file_is_missing(tmp_path, name):
    (tmp_path / "folder").mkdir()
    assert identity(f"{tmp_path}/{name}") == "missing"


def test_a_file_that_may_not_be_read_has_an_identity(image, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("skymill.provenance.outside.sha256", refused)
    assert identity(image) == "unreadable"


def test_a_file_that_settled_is_read_once(image, monkeypatch):
    monkeypatch.setattr("skymill.provenance.outside.SETTLED_S", -10.0)
    seen = look_at(image)
    assert seen["status"]
    known = {place(image): seen}
    monkeypatch.setattr("skymill.provenance.outside.sha256", lambda path: pytest.fail(f"read {path}"))
    assert look_at(image, known) == seen


def test_a_file_with_another_status_is_read_again(image, monkeypatch):
    monkeypatch.setattr("skymill.provenance.outside.SETTLED_S", -10.0)
    known = {place(image): look_at(image)}
    image.write_bytes(b"54321")
    os.utime(image, ns=(7, 7))
    assert look_at(image, known)["identity"] != known[place(image)]["identity"]


def test_the_status_of_a_file_that_has_just_changed_proves_nothing(image):
    assert look_at(image)["status"] == ""


def test_the_status_of_a_file_that_changes_while_it_is_read_proves_nothing(image, monkeypatch):
    def reads(path):
        os.utime(path, ns=(9, 9))
        return "0" * 64

    monkeypatch.setattr("skymill.provenance.outside.SETTLED_S", -10.0)
    monkeypatch.setattr("skymill.provenance.outside.sha256", reads)
    assert look_at(image) == {"identity": f"sha256:{'0' * 64}", "status": ""}


def test_the_file_that_was_meant_is_taken(image):
    check_identities(recipe(image=identity(image), tile="0123456789"), {"image": image, "tile": "nowhere"})


def test_checksums_and_addresses_are_not_its_matter(image):
    check_identities(recipe(image="a" * 64, rms="url:https://a/b.fits"), {"image": image, "rms": "nowhere"})


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b"1234"), "sha256:03ac"),
        (lambda path: path.write_bytes(b"54321"), "sha256:20f3"),
    ],
)
def test_a_file_that_has_changed_is_refused(image, change, found):
    meant = recipe(image=identity(image))
    change(image)
    with pytest.raises(
        DataError, match=rf"image\.fits: expected the file as it was .*sha256:5994.*found {found}"
    ):
        check_identities(meant, {"image": image})


def test_a_file_that_was_only_touched_is_the_same(image):
    meant = recipe(image=identity(image))
    os.utime(image, ns=(8, 8))
    check_identities(meant, {"image": image})


def test_a_file_that_has_come_is_refused(image):
    with pytest.raises(DataError, match=r"\(missing\), found sha256:5994"):
        check_identities(recipe(image="missing"), {"image": image})
