"""Versions: the same recipe gives the same version for ever; a change reaches the children and nobody else."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.provenance.recipe import REVISIONS, Family, Recipe, canonical_json, version_of

KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def chain(learning_rate: float = 1e-3, mag_high: float = 24.0) -> dict[str, Recipe]:
    simulate = Recipe("simulate", "parametric", {"seed": 1, "population": {"mag": [20.0, mag_high]}})
    blend = Recipe("blend", "train", {"seed": 1, "blend": {"n": 100}}, {"galaxies": simulate.version})
    train = Recipe("train", "unet", {"seed": 1, "lr": learning_rate}, {"train": blend.version})
    infer = Recipe("infer", "unet", {"seed": 1}, {"model": train.version, "tile": "f" * 64})
    return {recipe.stage: recipe for recipe in (simulate, blend, train, infer)}


def changed(**change: float) -> set[str]:
    before, after = chain(), chain(**change)
    return {stage for stage in before if before[stage].version != after[stage].version}


def test_a_change_reaches_the_children_only():
    assert changed() == set()
    assert changed(learning_rate=2e-3) == {"train", "infer"}
    assert changed(mag_high=25.0) == {"simulate", "blend", "train", "infer"}


def test_versions_are_pinned():
    """Every artifact on every user's disk is found by these: they change only with a release note."""
    recipe = Recipe(
        "simulate", "x", {"seed": 1, "survey": {"name": "sdss_r", "saturation": None, "ok": True}}
    )

    assert recipe.version == "627caedc77"
    assert (
        Recipe("train", "x", {"lr": 1e-3, "σ": [1, 2.5]}, {"b": "0" * 10, "a": "1" * 10}).version
        == "3da1135102"
    )


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_the_order_of_keys_does_not_matter(params):
    backwards = dict(reversed(params.items()))

    assert Recipe("blend", "x", params).version == Recipe("blend", "x", backwards).version


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_its_plain_values_give_the_same_version(params):
    recipe = Recipe("blend", "x", params, {"galaxies": "0123456789"})
    plain = recipe.to_dict()

    assert version_of(plain["stage"], plain["revision"], plain["params"], plain["parents"]) == recipe.version
    assert recipe.version == plain["version"]


@pytest.mark.parametrize(
    "other",
    [
        Recipe("blend", "x", {"seed": 1}),
        Recipe("simulate", "x", {"seed": 2}),
        Recipe("simulate", "x", {"seed": "1"}),
        Recipe("simulate", "x", {"seed": 1, "more": None}),
        Recipe("simulate", "x", {"seed": 1}, {"source": "0123456789"}),
    ],
)
def test_what_counts(other):
    assert other.version != Recipe("simulate", "x", {"seed": 1}).version


def test_the_name_does_not_count_but_has_a_folder_of_its_own():
    one, two = Recipe("simulate", "one", {"seed": 1}), Recipe("simulate", "two", {"seed": 1})

    assert one.version == two.version
    assert one.folder("results/artifacts") == Path("results/artifacts/simulate/one") / one.version
    assert one.folder() != two.folder()


def test_raising_the_revision_of_a_stage_changes_its_versions(monkeypatch):
    before = Recipe("simulate", "x", {"seed": 1})
    version = before.version
    monkeypatch.setitem(REVISIONS, "simulate", 2)

    assert before.revision == 2
    assert before.version != version
    assert version_of("simulate", 1, before.params, {}) == version


def test_canonical_json_is_compact_and_strict():
    assert canonical_json({"b": [1, 2.5, None], "a": "σ"}) == '{"a":"\\u03c3","b":[1,2.5,null]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_recipe_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Recipe("simulate", "x", {}).stage = "blend"


@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.dictionaries(KEYS, st.text(max_size=8), max_size=3),
)
def test_recipes_of_a_family_are_recipes_like_all_others(shared, own, parents):
    made, alone = (
        Family("infer", shared).recipe("x", parents, own),
        Recipe("infer", "x", {**shared, **own}, parents),
    )

    assert made == alone
    assert made.version == version_of("infer", 1, alone.params, parents) == alone.version


def test_a_family_knows_its_revision(monkeypatch):
    monkeypatch.setitem(REVISIONS, "infer", 3)
    assert Family("infer", {"a": 1}).recipe("x", {}).version == version_of("infer", 3, {"a": 1}, {})
