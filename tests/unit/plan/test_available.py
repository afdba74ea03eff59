"""Which detectors can run here."""

import pytest

from skymill.config.detect import SOURCE_EXTRACTOR_PROGRAMS
from skymill.plan.available import missing_detectors


def test_without_the_program_the_kind_is_missing_and_the_reason_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = missing_detectors()
    assert list(missing) == ["source_extractor"]
    assert "apt-get install source-extractor" in missing["source_extractor"]


@pytest.mark.parametrize("name", SOURCE_EXTRACTOR_PROGRAMS)
def test_any_of_its_names_will_do(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_detectors() == {}
