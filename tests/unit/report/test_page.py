"""Rendering: what may run on the page, and the small parts of its context."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from importlib import resources

import pytest
from jinja2 import UndefinedError

from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import Composition
from skymill.errors import DataError
from skymill.report.inventory import Inventory
from skymill.report.models_section import model_context, text
from skymill.report.page import (
    SECTIONS,
    Material,
    attempted,
    environment,
    page_context,
    render,
)
from skymill.report.scores import Scores


@pytest.fixture
def material(run, inventory, scores, matched) -> Material:
    links = {entry.name: entry.link_name for entry in inventory.catalogues()}
    return Material(run.arguments["run"], inventory, scores, matched, [], links)


def test_only_the_two_scripts_of_the_page_may_run(material: Material):
    page = render(environment(), page_context(material))

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 2
    assert policy.endswith("script-src " + " ".join(f"'sha256-{digest}'" for digest in digests))
    assert policy.startswith("default-src 'none';")


def test_every_section_has_a_template():
    folder = resources.files("skymill.report") / "templates"

    assert all((folder / f"section_{name}.html.j2").is_file() for name in SECTIONS)


def test_a_value_that_is_missing_is_an_error_of_the_code():
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nothing }}").render()


def test_values_are_escaped_whatever_the_template_is_called():
    assert environment().from_string("{{ x }}").render(x="<&>") == "&lt;&amp;&gt;"


def test_palette_knows_detectors_of_the_figures_that_left_no_catalogue(material: Material):
    alone = replace(material, inventory=Inventory([]))

    assert [style.detector for style in alone.palette] == list(material.scores.detectors("test_blends"))


def test_notes_and_missing_artifacts_stand_together(material: Material):
    missing = Inventory(material.inventory.entries, [{"what": "a", "reason": "b"}])
    context = page_context(replace(material, inventory=missing, notes=[{"what": "c", "reason": "d"}]))

    assert [note["what"] for note in context["notes"]] == ["c", "a"]


def test_without_figures_of_split_blends_those_of_all_take_their_place(material: Material):
    records = [record for record in material.scores.records if not record.subset.startswith("both_found")]
    context = page_context(replace(material, scores=Scores(records)))

    (group,) = context["blend_groups"]
    assert [panel.name for panel in group["panels"]][:3] == [
        f"test_blends-{by}-all" for by in ("magnitude", "separation", "class")
    ]
    assert group["panels_all"] == []


def test_blends_of_real_galaxies_stand_beside_the_simulated_ones(material: Material):
    records = material.scores.records
    records += tuple(replace(r, dataset="real_blends") for r in records if r.dataset == "test_blends")
    entries = material.inventory.entries
    entries += tuple(replace(entry, name="real") for entry in entries if entry.folder.parent.name == "test")
    context = page_context(
        replace(material, scores=Scores(records), inventory=Inventory(entries), run=published_run(material))
    )

    titles = ["Test blends", "Blends of real galaxies"]
    for groups in ("blend_groups", "galleries"):
        assert [group["title"] for group in context[groups]] == titles
    assert [group.title for group in context["blends"]] == titles
    names = [panel.name for group in context["blend_groups"] for panel in (*group["panels"], *group["found"])]
    assert len(names) == len(set(names)) and "real_blends-separation-both" in names
    assert [block.title for block in context["blocks"]][-2:] == [
        "Blends of real galaxies, where the reference detector found every galaxy",
        "Blends of real galaxies, all galaxies",
    ]
    assert context["published"].rows[-1][0].endswith(", blends of real galaxies")
    assert render(environment(), context).count("Blends of real galaxies: what was found") == 1


def published_run(material: Material) -> dict:
    """Return the run as one of the published recipe, on simulated and on real galaxies."""
    composition = Composition(population="galaxies", preset="boucaud20").composition()
    config = {**material.config, "survey": "hst_f160w", "real_blends": composition}
    config["blend"] = {**config["blend"], **composition}
    config["populations"] = {"galaxies": {"kind": "parametric", "mag": [18.0, 23.0]}}
    return {**material.run, "config": config}


def test_published_figures_stand_beside_blends_of_their_recipe_alone(material: Material):
    other = page_context(material)
    same = page_context(replace(material, run=published_run(material)))

    heading, bar = "Beside published figures", "SExtractor in Boucaud et al. 2020"
    for context, is_there in ((other, False), (same, True)):
        page = render(environment(), context)
        assert (heading in page, bar in page) == (is_there, is_there)
    (group,) = other["blend_groups"]
    assert "published" not in group["found"][0].caption


def test_galaxies_that_both_found_stand_beneath_the_blends_and_the_injected_ones(material: Material):
    page = render(environment(), page_context(material))
    titles = re.findall(r"<h3>(.*): on the galaxies that both found</h3>", page)
    assert len(titles) == 2 and titles[0] == "Test blends" and "field" in titles[1]
    assert "with other galaxies in other places" not in page

    records = [record for record in material.scores.records if not record.subset.startswith("shared/")]
    config = {**material.config, "inject": {"draws": 4}}
    changed = replace(material, scores=Scores(records), run={**material.run, "config": config})
    page = render(environment(), page_context(changed))
    assert "on the galaxies that both found</h3>" not in page
    assert "It was done 4 times with other galaxies in other places" in page


def test_gallery_says_why_it_is_empty(material: Material):
    nothing_measured = replace(material, matched=Catalogue.empty("matched"))
    no_blends = replace(material, inventory=Inventory(material.inventory.of_stage("ingest")))

    for changed, words in (
        (nothing_measured, "No detector has measured"),
        (no_blends, "This run has no test blends"),
    ):
        (group,) = page_context(changed)["galleries"]
        assert group["walls"] == [] and group["reason"].startswith(words)


def test_attempted_turns_unusable_files_into_words_and_nothing_else():
    def fail(error):
        raise error

    assert attempted(lambda: 3) == 3
    assert "x.h5" in attempted(lambda: fail(DataError("x.h5", expected="a", found="b")))
    assert "gone" in attempted(lambda: fail(FileNotFoundError("gone")))
    with pytest.raises(KeyError):
        attempted(lambda: fail(KeyError("a mistake in the code")))


CARD = {True: "yes", False: "no", 9999: "9999", 123456: "123,456", 0.123456789: "0.12346", None: "None"}


@pytest.mark.parametrize(("value", "shown"), [*CARD.items(), ([1, "a"], "1, a")])
def test_values_of_a_card(value, shown):
    assert text(value) == shown


def test_a_model_s_facts_stand_above_its_curves(inventory):
    first, second = model_context(inventory)["models"]

    assert (first["name"], second["name"]) == ("unet", "cnn")
    assert ("Parameters", "123,456") in first["facts"]
    assert ("network.kind", "unet") in first["card"]


def test_a_model_without_its_card_says_so(inventory, tmp_path):
    entry = replace(inventory.find("train", "unet"), folder=tmp_path)
    (model,) = model_context(Inventory([entry]))["models"]

    assert model["panels"][0].spec is None
    assert "cannot be read" in model["card"][0][1]
