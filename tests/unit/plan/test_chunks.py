"""Chunks of tiles: the same artifacts, fewer jobs."""

import json
import pickle
from pathlib import Path

import pytest

from skymill.errors import VersionError
from skymill.plan.chunks import tiles_per_job
from skymill.plan.places import fetched_name
from skymill.provenance.record import FILENAME

HEADER = "tile_id\tsurvey\timage\tsha256\treference\treference_format"
TILED = ("fetch", "ingest", "reference", "inject", "infer", "baseline")


def table(count=5, start=0):
    rows = [
        f"t{n}\tsdss_r\thttp://localhost/t{n}.fits\t{n:064x}\thttp://localhost/all.fits\tskymill"
        for n in range(start, count)
    ]
    Path("tiles.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    return {"tiles": "tiles.tsv"}


@pytest.fixture
def chunked(planned):
    """A function that plans five tiles with a number of tiles per job."""
    return lambda per_job=2, **changes: planned({**table(), "tiles_per_job": per_job, **changes})


@pytest.mark.parametrize(
    ("tiles", "size"), [(0, 1), (20, 1), (21, 10), (101, 50), (1000, 50), (1001, 100), (10**6, 100)]
)
def test_few_tiles_are_jobs_of_their_own(tiles, size):
    assert tiles_per_job(tiles) == size


@pytest.mark.parametrize("per_job", [2, 3, 5, 100])
def test_chunks_change_no_artifact(chunked, per_job):
    def artifacts(plan):
        return {(a.recipe.stage, a.recipe.name): (a.recipe.to_dict(), a.inputs, a.files()) for a in plan}

    one, many = chunked(1), chunked(per_job)
    assert artifacts(one) == artifacts(many)
    assert not list(one.chunks)
    assert one.comparisons() == many.comparisons()
    assert len(list(many.chunks)) == -(-5 // per_job) * 12


def test_each_draw_of_injected_galaxies_has_its_chunks(chunked):
    def listed(plan):
        return {(a.recipe.stage, a.recipe.name): a.recipe.version for a in plan}

    plan = chunked(**{"inject.draws": 2})
    assert listed(plan) == listed(chunked(1, **{"inject.draws": 2}))
    assert plan.comparisons() == chunked(1, **{"inject.draws": 2}).comparisons()
    (parent,) = plan.chunks.manifests_for(plan.chunks.chunk("infer", "2-4.injected2.cnn"))
    assert parent == str(plan.chunks.chunk("inject", "2-4.2").manifest)
    assert list(plan.chunks.chunk("inject", "2-4.2").members) == ["t2.2", "t3.2"]


def test_each_artifact_of_a_tile_is_in_one_chunk(chunked):
    plan = chunked()
    found = [(chunk.stage, name) for chunk in plan.chunks for name in chunk.members]
    assert len(found) == len(set(found))
    expected = {
        (a.recipe.stage, a.recipe.name)
        for a in chunked(1)
        if a.recipe.name.startswith(("t0", "t1", "t2", "t3", "t4", "all")) and a.recipe.stage in TILED
    }
    assert set(found) == expected


def test_an_artifact_is_found_by_its_name(chunked):
    plan, alone = chunked(), chunked(1)
    for stage, name in [
        ("infer", "t3.injected.cnn"),
        ("ingest", "t4"),
        ("fetch", fetched_name("http://localhost/all.fits", None)),
        ("infer", "sky.cnn"),
    ]:
        assert plan.artifact(stage, name) == alone.artifact(stage, name)
    for name in ("t9.cnn", "t3.gan", "t3"):
        with pytest.raises(VersionError, match="stage infer"):
            plan.artifact("infer", name)


def test_a_chunk_waits_for_the_chunks_and_files_that_it_is_made_from(chunked):
    plan = chunked()

    def needed(stage, name):
        chunk = plan.chunks.chunk(stage, name)
        manifests = [Path(path) for path in plan.chunks.manifests_for(chunk)]
        return [
            f"{path.parent.name}/{path.name.rsplit('.', 2)[0]}" for path in manifests
        ], plan.chunks.files_for(chunk)

    model, galaxies = plan.artifact("train", "cnn"), plan.artifact("simulate", "galaxies")
    assert needed("fetch", "2-4") == ([], [])
    # The catalogue that all tiles share is fetched with the first chunk.
    assert needed("ingest", "2-4") == (["fetch/0-2", "fetch/2-4"], [])
    assert needed("reference", "2-4")[0] == ["fetch/0-2", "fetch/2-4", "ingest/2-4"]
    assert needed("inject", "2-4") == (["ingest/2-4"], [galaxies.file("stamps"), galaxies.file("truth")])
    assert needed("infer", "2-4.cnn") == (["ingest/2-4"], [model.file("weights"), model.file("card")])
    assert needed("infer", "2-4.injected.cnn")[0] == ["inject/2-4"]
    assert needed("baseline", "4-6.injected.sep") == (["inject/4-6"], [])


def test_targets_are_few_and_fields_have_jobs_of_their_own(chunked):
    plan = chunked()
    assert [Path(path).name.split(".")[:2] for path in plan.targets("infer")[-2:]] == [
        ["infer", "tiles"],
        ["infer", "injected"],
    ]
    assert plan.artifact("infer", "sky.cnn").file("catalogue") in plan.targets("infer")
    assert not any("injected" in path for path in plan.catalogues())
    assert len(plan.compared()) < len(plan.artifact("compare", "small").inputs)
    assert set(plan.chunks.tallies("infer", "baseline")) < set(plan.compared())


def test_a_tile_that_noise_is_cut_from_is_a_job_of_its_own(chunked):
    plan = chunked(**{"blend.noise": {"kind": "real", "tile": "t1"}})
    assert not plan.chunks.owns("ingest", "t1")
    assert plan.chunks.owns("ingest", "t0")
    assert plan.artifact("ingest", "t1").file("tile") in plan.targets("ingest")


def test_the_version_of_a_chunk_is_that_of_its_members(planned):
    before = planned({**table(), "tiles_per_job": 2})
    after = planned({**table(6), "tiles_per_job": 2})
    for name in ("0-2.cnn", "2-4.cnn"):
        assert before.chunks.chunk("infer", name).version == after.chunks.chunk("infer", name).version
    assert before.chunks.chunk("infer", "4-6.cnn").version != after.chunks.chunk("infer", "4-6.cnn").version


@pytest.mark.parametrize("name", ["0-2", "0-3.cnn", "8-10.cnn", "1-3.cnn", "cnn"])
def test_an_unknown_chunk_is_refused(chunked, name):
    with pytest.raises(VersionError, match="a chunk of this configuration's tile table"):
        chunked().chunks.chunk("infer", name)


def test_another_version_of_a_chunk_is_refused(chunked):
    with pytest.raises(VersionError, match="expected version"):
        chunked().chunks.chunk("infer", "0-2.cnn", "0123456789")


def write_manifest(chunk, failed=()):
    made = {name: {"version": v, "rows": 1, "files": {"tile.fits": "0"}} for name, v in chunk.members.items()}
    failed = {name: {"reason": "soup"} for name in failed}
    chunk.manifest.parent.mkdir(parents=True, exist_ok=True)
    chunk.manifest.write_text(json.dumps({"made": made, "failed": failed}))
    for name, version in chunk.members.items():
        folder = Path(f"results/artifacts/{chunk.stage}/{name}/{version}")
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("tile.fits", FILENAME):
            (folder / file).write_text("")


@pytest.fixture
def written(chunked):
    """Chunks of ingest whose manifests are there, and their tally."""
    plan = chunked()
    chunks = plan.chunks.of_group("ingest", "tiles")
    for chunk in chunks:
        write_manifest(chunk)
    plan.chunks.tally("ingest", "tiles").parent.mkdir()
    plan.chunks.tally("ingest", "tiles").write_text("{}")
    return plan, chunks


def there(written):
    plan, chunks = written
    return [chunk.manifest.is_file() for chunk in chunks], plan.chunks.tally("ingest", "tiles").is_file()


@pytest.mark.parametrize("file", ["tile.fits", FILENAME])
def test_a_manifest_that_names_what_is_gone_is_forgotten(written, file):
    plan, chunks = written
    plan.chunks.forget_untrue()
    assert there(written) == ([True] * 3, True)
    Path(f"results/artifacts/ingest/t2/{chunks[1].members['t2']}", file).unlink()
    plan.chunks.forget_untrue()
    assert there(written) == ([True, False, True], False)


def test_a_damaged_manifest_is_forgotten(written):
    plan, chunks = written
    chunks[0].manifest.write_text("{")
    plan.chunks.forget_untrue()
    assert there(written) == ([False, True, True], False)


def test_after_a_failure_the_chunk_is_planned_again_and_no_other(written):
    plan, chunks = written
    plan.chunks.forget_failed()
    assert there(written) == ([True] * 3, True)
    write_manifest(chunks[2], failed=["t4"])
    plan.chunks.forget_untrue()
    assert there(written) == ([True] * 3, True)
    plan.chunks.forget_failed()
    assert there(written) == ([True, True, False], False)


def test_failed_tiles_are_left_out_of_their_chunk_on_request(chunked):
    plan = chunked()
    for stage, name in (("ingest", "t2"), ("infer", "t0.cnn"), ("inject", "t4")):
        failure = plan.artifact(stage, name).failure()
        failure.parent.mkdir(parents=True)
        failure.write_text(f"{name} is soup.\n")
    assert chunked().chunks.versions("infer") == plan.chunks.versions("infer")
    without = chunked(leave_out_failed=True)
    assert list(without.chunks.chunk("ingest", "2-4").members) == ["t3"]
    assert list(without.chunks.chunk("infer", "0-2.cnn").members) == ["t1.cnn"]
    names = set(without.chunks.versions("infer")) | set(without.chunks.versions("baseline"))
    assert {"t0.unet", "t0.sep", "t4.cnn"} <= names
    assert not {"t4.injected.cnn", "t4.injected.sep", "t2.sep"} & names
    assert {note["what"] for note in without.notes} == {"tile t2", "infer t0.cnn", "inject t4"}


def test_what_a_job_gets_are_plain_values(chunked):
    plan = chunked()
    chunk = plan.chunks.chunk("infer", "2-4.cnn")
    members = plan.chunks.described(chunk)
    assert pickle.loads(pickle.dumps(members)) == members  # noqa: S301 - our own
    assert [member["recipe"]["name"] for member in members] == ["t2.cnn", "t3.cnn"]
    assert members[0]["inputs"]["tile"] == plan.artifact("ingest", "t2").file("tile")
    assert members[0]["outputs"] == {"catalogue": plan.artifact("infer", "t2.cnn").file("catalogue")}
