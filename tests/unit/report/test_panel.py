"""Panels: JSON that is safe inside a script element."""

from __future__ import annotations

import json

import pytest

from skymill.report.panel import Panel


def test_json_cannot_close_its_script():
    spec = {"data": [{"name": "</script><!-- & \u2028 \u2029"}], "layout": {"height": 300}}
    panel = Panel.plot("n", "t", spec, "c")

    assert not set("<>&\u2028\u2029") & set(str(panel.spec))
    assert json.loads(str(panel.spec)) == spec
    assert panel.height == 300


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        Panel.plot("n", "t", {"data": [{"y": [value]}], "layout": {"height": 1}}, "c")


def test_words_have_no_figure():
    panel = Panel.words("t", "nothing was measured")

    assert (panel.spec, panel.caption) == (None, "nothing was measured")
