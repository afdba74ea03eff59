"""Survey catalogues: planned on request, of the tile table's tiles alone, in one version however tiles are divided."""

import pytest

from skymill.errors import ConfigError, VersionError

from .test_chunks import table


@pytest.fixture
def tabled(planned):
    """A function that plans five tiles with a number of tiles per job."""
    return lambda per_job=2, **changes: planned({**table(), "tiles_per_job": per_job, **changes})


def survey_of(plan, name="cnn"):
    return plan.artifact("survey", name).recipe


def test_each_network_and_detector_has_one_of_the_tiles_as_they_are(tabled):
    plan = tabled(**{"inject.draws": 2})
    assert set(plan.surveys.artifacts) == {"cnn", "unet", "sep", "source_extractor"}
    tiles = [f"t{number}" for number in range(5)]
    for name, stage in (("unet", "infer"), ("sep", "baseline")):
        assert list(survey_of(plan, name).parents) == tiles
        found = plan.surveys.tiles(name)
        assert [entry["tile_id"] for entry in found] == tiles
        assert found[3]["tile"] == plan.artifact("ingest", "t3").file("tile")
        assert found[3]["catalogue"] == plan.artifact(stage, f"t3.{name}").file("catalogue")
        assert survey_of(plan, name).parents["t3"] == plan.artifact(stage, f"t3.{name}").recipe.version


def test_how_tiles_are_divided_changes_no_survey(tabled):
    one, many = tabled(1), tabled(3)
    assert one.surveys.artifacts == many.surveys.artifacts
    assert one.surveys.tiles("sep") == many.surveys.tiles("sep")


def test_it_waits_for_each_tile_or_for_what_ties_chunks_together(tabled):
    one = tabled(1)
    expected = [path for entry in one.surveys.tiles("cnn") for path in (entry["tile"], entry["catalogue"])]
    assert one.surveyed("cnn") == expected
    many = tabled()
    assert many.surveyed("cnn") == [str(many.chunks.tally("infer", "tiles"))]
    assert many.surveyed("sep") == [str(many.chunks.tally("baseline", "tiles"))]
    # A tile that noise is cut from has jobs of its own.
    mixed = tabled(**{"blend.noise": {"kind": "real", "tile": "t1"}})
    own = [mixed.artifact("ingest", "t1").file("tile"), mixed.artifact("infer", "t1.cnn").file("catalogue")]
    assert mixed.surveyed("cnn") == [*own, str(mixed.chunks.tally("infer", "tiles"))]


def test_it_is_no_part_of_the_run_unless_asked_for(tabled):
    plan = tabled()
    before = plan.identity
    assert survey_of(plan).stage == "survey"
    assert "survey" not in {artifact.recipe.stage for artifact in plan}
    assert "survey" not in {entry["stage"] for entry in plan.described()["artifacts"]}
    assert plan.identity == before


def test_a_change_of_a_network_changes_its_survey_and_no_other(tabled):
    before, after = tabled(), tabled(**{"models.cnn.training": {"learning_rate": 0.5}})
    changed = {name for name in before.surveys.artifacts if survey_of(before, name) != survey_of(after, name)}
    assert changed == {"cnn"}


def test_the_size_of_files_is_part_of_the_version(tabled):
    before, after = tabled(), tabled(survey_catalogue={"rows_per_file": 10})
    assert survey_of(before).version != survey_of(after).version
    assert before.artifact("infer", "t0.cnn") == after.artifact("infer", "t0.cnn")


def test_without_a_tile_table_there_is_none(planned):
    with pytest.raises(ConfigError, match=r"tiles: expected a tile table.*found none"):
        _ = planned().surveys


def test_an_unknown_one_lists_the_known(tabled):
    with pytest.raises(VersionError, match=r"stage survey: expected one of: cnn, unet, .*found 'gan'"):
        tabled().artifact("survey", "gan")
