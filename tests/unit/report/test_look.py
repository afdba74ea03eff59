"""Colours and logarithmic axes."""

from __future__ import annotations

import pytest

from skymill.report.look import FAMILIES, GREY, Palette, faded, log_axis


def test_a_detector_has_its_family_s_colour():
    palette = Palette(["unet", "source_extractor", "sep"])

    assert palette["source_extractor"].colour == FAMILIES["source_extractor"]
    assert palette["unet"].colour == FAMILIES["unet"]


def test_a_second_set_up_has_the_colour_of_the_first_and_an_open_symbol():
    palette = Palette(["sep", "sep_plain"])
    first, second = palette

    assert (first.is_variant, second.is_variant) == (False, True)
    assert first.colour == second.colour
    assert second.dash == "dot"
    assert second.symbol.endswith("-open")


def test_a_second_set_up_alone_is_drawn_like_a_first():
    (style,) = Palette(["sep_plain"])

    assert not style.is_variant


def test_unknown_names_get_colours_of_their_own():
    colours = {style.colour for style in Palette(["mine", "yours", "theirs"])}

    assert len(colours) == 3
    assert not colours & set(FAMILIES.values()) - {FAMILIES["gan"]}


def test_a_stranger_is_grey_and_last():
    palette = Palette(["sep"])

    assert palette["other"].colour == GREY
    assert [style.detector for style in palette.ordered(["other", "sep"])] == ["sep", "other"]


def test_labels_are_escaped():
    assert Palette(["<b>x"])["<b>x"].label == "&lt;b&gt;x"


def test_logarithmic_ticks_are_one_two_five():
    axis = log_axis([3.0, 60.0])

    assert axis["ticktext"] == ["2", "5", "10", "20", "50", "100"]
    low, high = axis["range"]
    assert 10**low < 3 < 60 < 10**high


@pytest.mark.parametrize("values", [[], [0.0], [-1.0, 0.0]])
def test_logarithmic_axis_without_positive_values(values):
    assert log_axis(values)["ticktext"] == ["1"]


def test_faded():
    assert faded("#0072B2", 0.5) == "rgba(0,114,178,0.5)"
