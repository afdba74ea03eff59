from __future__ import annotations

import numpy as np
import pytest

from skymill.config.detect import COLD, HOT, PLAIN, SepConfig
from skymill.data.mosaic import Layout
from skymill.detectors.detector import as_columns
from skymill.detectors.passes import add_outside, find_blends, find_sources, hot_where_merged


def sources(x, y=None, name=None, **more):
    x = np.asarray(x, dtype=float)
    ones = np.ones(len(x))
    columns = as_columns(
        x=x,
        y=np.zeros(len(x)) if y is None else np.asarray(y, dtype=float),
        flux=ones if name is None else name * ones,
        flux_err=ones,
        a=2 * ones,
        b=ones,
        theta=0 * ones,
        flux_radius=ones,
        kron_radius=3 * ones,
        flags=0 * ones,
    )
    return {**columns, **{key: np.asarray(value) for key, value in more.items()}}


class Scripted:
    """An extractor that gives prepared sources for each pass."""

    def __init__(self, by_pass):
        self.by_pass, self.asked = by_pass, []

    def extract(self, tile, settings):
        self.asked.append(settings)
        return self.by_pass[settings]

    def tools(self):
        return {}


def test_hot_sources_are_added_where_no_cold_ellipse_is():
    # Ellipses of semi-axes 6 and 3 about 0 and 40.
    cold, hot = sources([0.0, 40.0], name=1), sources([5.0, 7.0, 0.0, 41.0, 20.0], [0, 0, 4, 0, 0], name=2)
    both = add_outside(cold, hot)

    assert both["flux"].tolist() == [1, 1, 2, 2, 2]
    assert both["x"].tolist() == [0, 40, 7, 0, 20]


@pytest.mark.parametrize(("cold", "hot"), [([], [1.0]), ([1.0], []), ([], [])])
def test_a_pass_that_finds_nothing_is_no_trouble(cold, hot):
    assert len(add_outside(sources(cold), sources(hot))["x"]) == len(cold) + len(hot)


def test_the_setting_names_the_passes(empty_tile):
    for setting, passes in (("plain", [PLAIN]), ("cold_hot", [COLD, HOT])):
        extractor = Scripted({one: sources([10.0]) for one in (PLAIN, COLD, HOT)})
        found = find_sources(extractor, SepConfig(kind="sep", setting=setting), empty_tile)
        assert found["x"].shape == found["fwhm"].shape == (1,)
        assert extractor.asked == passes


def test_blends_take_the_hot_pass_where_the_cold_one_finds_fewer_than_two():
    cold = sources([1.0, 2.0, 3.0], name=1, stamp_id=[4, 4, 7])
    hot = sources([1.0, 2.0, 3.0, 4.0, 5.0], name=2, stamp_id=[4, 7, 7, 7, 9])
    both = hot_where_merged(cold, hot)

    assert both["stamp_id"].tolist() == [4, 4, 7, 7, 7, 9]
    assert both["flux"].tolist() == [1, 1, 2, 2, 2, 2]


def test_sources_on_a_mosaic_come_back_to_their_stamps(empty_tile):
    layout = Layout(np.array([5, 6]), stamp_px=20, gap_px=4, columns=2)
    # Stamps from 4 to 23 and 28 to 47; one source lies in the gap between.
    found = sources([10.0, 30.0, 25.5], [10.0, 12.0, 10.0])
    extractor = Scripted({PLAIN: found, COLD: found, HOT: found})

    for setting in ("plain", "cold_hot"):
        blends = find_blends(extractor, SepConfig(kind="sep", setting=setting), empty_tile, layout)
        assert blends["stamp_id"].tolist() == [5, 6]
        assert blends["x"].tolist() == [6.0, 2.0]
        assert blends["y"].tolist() == [6.0, 8.0]
