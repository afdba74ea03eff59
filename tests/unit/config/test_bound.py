"""The bound is on unless it is switched off, and how it is cut into jobs changes nothing."""

import pytest
from pydantic import ValidationError

from skymill.config.bound import BoundConfig


def test_the_default_keeps_a_run_short():
    assert BoundConfig().recipe_params() == {"n_blends": 1000}


@pytest.mark.parametrize("changes", [{"n_blends": 0}, {"shard_size": 0}, {"blends": 3}])
def test_wrong_values_are_refused(changes):
    with pytest.raises(ValidationError):
        BoundConfig(**changes)
