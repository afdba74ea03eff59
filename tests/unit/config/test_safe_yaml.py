"""YAML of unknown origin."""

import pytest
import yaml

from skymill.config.safe_yaml import read_yaml
from skymill.errors import DataError


@pytest.fixture
def written(tmp_path):
    """A function that writes a card and gives its path."""

    def write(content):
        (tmp_path / "card.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "card.yaml"

    return write


def test_plain_values_are_read(written):
    values = {"a": [1, 2.5, None, True], "b": {"c": "text: with colon", "d": []}}
    assert read_yaml(written(yaml.safe_dump(values)), "a card") == values


BOMB = "a: &a [x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, r"a reference \(\*\) in line 2"),
        ("a: &a\n  <<: *a\n", "a reference"),
        ("[" * 10_000, "more than 50 levels"),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, "more than 50 levels"),
        (b"a: \xff", "utf-8"),
        (b"a: " + b"x" * (11 * 2**20), "more than 10 MiB"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: \0", "special characters"),
        ("? [a]\n: b", "unhashable"),
    ],
)
def test_what_is_not_plain_is_one_line(written, content, words):
    path = written(content)
    with pytest.raises(DataError, match=words) as caught:
        read_yaml(path, "a card")
    assert str(caught.value).startswith(f"{path}: expected a card, found ")
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml: expected a card"):
        read_yaml(tmp_path / "none.yaml", "a card")
