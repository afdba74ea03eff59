from __future__ import annotations

import numpy as np

from skymill.catalog.ranked import match_ranked


def match(detections, objects, radius=2.0):
    x, y, score = np.array(detections, dtype=float).reshape(-1, 3).T
    x_true, y_true = np.array(objects, dtype=float).reshape(-1, 2).T
    return match_ranked(x, y, score, x_true, y_true, radius).tolist()


def test_the_surest_detection_has_the_choice():
    # Nearer is the second, surer the first.
    assert match([(1.5, 0, 0.9), (0.1, 0, 0.5)], [(0, 0)]) == [0, -1]


def test_each_takes_the_nearest_that_is_free():
    assert match([(0, 0, 0.9), (0.2, 0, 0.8), (0.3, 0, 0.7)], [(0.1, 0), (1.5, 0)]) == [0, 1, -1]


def test_the_radius_is_a_limit():
    assert match([(0, 0, 1), (10, 0, 1)], [(2.0, 0), (12.1, 0)]) == [0, -1]


def test_what_is_below_a_threshold_changes_nothing_above_it():
    random = np.random.default_rng(2)
    detections = np.column_stack([random.uniform(0, 30, (60, 2)), random.random(60)])
    objects = random.uniform(0, 30, (30, 2))
    every = np.array(match(detections, objects))
    sure = detections[:, 2] > 0.6

    assert every[sure].tolist() == match(detections[sure], objects)
    found = every[every >= 0]
    assert len(np.unique(found)) == len(found) > 5


def test_nothing_to_match():
    assert match([], [(1, 1)]) == []
    assert match([(1, 1, 1)], []) == [-1]


def test_each_object_has_its_own_distance():
    """Both detections are 3 px off."""
    found = match([(0, 0, 1), (10, 0, 2)], [(3, 0), (13, 0)], radius=np.array([2.0, 4.0]))
    assert found == [-1, 1]
