"""The stage: one self-contained page, and what stands beside it, whatever is missing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest

import skymill
from skymill.config.compare import ReportConfig
from skymill.errors import DataError
from skymill.provenance.record import FILENAME, product_files, read_record, sha256
from skymill.report.page import SECTIONS
from skymill.report.report import report

HOSTILE = "<img src=x onerror=alert(1)>\"'&${7*7}{{ 7*7 }}"
MAX_BYTES = 12_000_000


class Outline(HTMLParser):
    """Collects the elements of a page, its texts outside scripts, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.data: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside.append(tag)
        for name, value in attributes:
            if name == "type" and tag == "script":
                self._inside[-1] = value
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                self.links.append(value)
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag):
        # Elements that are never closed (img, br) hold no text: what was opened last is closed first.
        kind = tag if tag in self._inside else "application/json"
        while self._inside and self._inside.pop() != kind:
            continue

    def handle_data(self, data):
        inside = self._inside[-1] if self._inside else ""
        lists = {"script": self.scripts, "application/json": self.data, "style": []}
        lists.get(inside, self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def outline(page: Path) -> Outline:
    return Outline(page.read_text(encoding="utf-8"))


def made(arguments: dict, folder: Path, **changes) -> Outline:
    output = folder / "report.html"
    report(**{**arguments, "output": output, **changes})
    return Outline(output.read_text(encoding="utf-8"))


def test_the_page_has_every_section_in_order(outline: Outline):
    assert [name for name in outline.ids if name in SECTIONS] == list(SECTIONS)
    assert len(set(outline.ids)) == len(outline.ids)


def test_the_page_is_small_enough(page: Path):
    assert page.stat().st_size < MAX_BYTES


def test_nothing_is_fetched(outline: Outline):
    links = [link for link in outline.links if not link.startswith(("data:", "#"))]

    assert all(link.startswith("catalogues/") or link in ("metrics.json", "manifest.json") for link in links)
    assert not {"iframe", "object", "embed", "base", "form"} & set(outline.tags)
    assert not outline.handlers


def test_plotly_is_there_once(page: Path):
    assert page.read_text(encoding="utf-8").count("plotly.js v") == 1


def test_every_figure_has_its_data_and_a_caption(page: Path, outline: Outline):
    text = page.read_text(encoding="utf-8")
    specs = re.findall(r'data-spec="([^"]+)"', text)

    assert len(specs) == len(outline.data) > 15
    assert set(specs) <= set(outline.ids)
    for figure in re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL):
        assert re.search(r'<figcaption>\S|<p class="empty">\S', figure)


def test_plotly_s_own_classes_accept_every_figure(outline: Outline):
    for text in outline.data:
        go.Figure(json.loads(text))


def test_links_lead_to_the_catalogues(page: Path, outline: Outline):
    links = [link for link in outline.links if link.startswith("catalogues/")]

    assert len(links) == 18
    assert all((page.parent / link).is_file() for link in links)


def test_what_stands_beside_the_page(page: Path, run):
    folder = page.parent

    assert json.loads((folder / "metrics.json").read_text()) == json.loads(
        run.arguments["metrics"].read_text()
    )
    assert len(json.loads((folder / "manifest.json").read_text())) == len(run.artifacts)
    assert (folder / "figures" / "summary.png").read_bytes().startswith(b"\x89PNG")
    assert "headline" in Outline((folder / "figures" / "summary.html").read_text()).ids


def test_the_summary_says_how_the_detectors_compare_and_what_is_missing(outline: Outline):
    assert "The intervals do not overlap: the network is better there." in outline.text
    assert "What these figures do not say" in outline.text
    assert "detector gan : its program is not installed" in outline.text


def test_the_same_run_gives_the_same_bytes(run, page: Path, tmp_path: Path):
    notes = [{"what": "detector gan", "reason": "its program is not installed"}]
    made(run.arguments, tmp_path, notes=notes)

    for name in (
        "report.html",
        "figures/summary.png",
        "figures/summary.html",
        "manifest.json",
        "metrics.json",
    ):
        assert (tmp_path / name).read_bytes() == (page.parent / name).read_bytes(), name


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> tuple[Path, Outline]:
    """A run whose tile, notes, survey and configuration hold markup."""
    import fake_run

    folder = tmp_path_factory.mktemp("hostile")
    config = {"report": {**fake_run.CONFIG["report"], "title": HOSTILE}, "note": HOSTILE}
    run = fake_run.FakeRun(folder, tile=HOSTILE.replace("/", ""), config=config)
    arguments = run.arguments
    described = {**arguments["run"], "run": HOSTILE, "started": HOSTILE}
    described["survey"] = {**described["survey"], "description": HOSTILE, "sources": {"psf": HOSTILE}}
    notes = [{"what": HOSTILE, "reason": f"</p></script><script>alert(2)</script>{HOSTILE}"}]
    return folder, made(arguments, folder / "out", run=described, notes=notes)


def test_text_from_outside_is_never_markup(hostile):
    _, outline = hostile

    assert "img" not in outline.tags
    assert not outline.handlers
    assert len(outline.scripts) == 2
    assert not any("alert(1)" in script or "alert(2)" in script for script in outline.scripts)
    assert "<img src=x onerror=alert(1)>" in outline.text
    assert "49" not in outline.text.split("Summary")[0]


def test_text_from_outside_is_never_a_path(hostile):
    folder, _ = hostile

    names = [path.name for path in (folder / "out" / "catalogues").iterdir()]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)


def test_figures_hold_escaped_names(hostile):
    _, outline = hostile

    assert len(outline.data) > 15
    assert not any("<" in text for text in outline.data)
    names = [trace.get("name", "") for text in outline.data for trace in json.loads(text)["data"]]
    assert not any("<" in name for name in names)


def without(artifacts, *stages, name=""):
    return [a for a in artifacts if a["stage"] not in stages or name not in a["name"]]


MISSING = {
    "nothing": (),
    "tiles": ("ingest", "reference", "inject", "infer", "field"),
    "reference": ("reference",),
    "models": ("train", "evaluate", "infer"),
    "blends": ("blend",),
    "simulations": ("simulate",),
    "baselines": ("baseline",),
}


@pytest.mark.parametrize("stages", MISSING.values(), ids=list(MISSING))
def test_a_page_without_some_stages(run, tmp_path: Path, stages):
    outline = made(run.arguments, tmp_path, artifacts=without(run.artifacts, *stages))

    assert [name for name in outline.ids if name in SECTIONS] == list(SECTIONS)


def test_a_page_of_nothing_at_all(run, tmp_path: Path):
    outline = made(run.arguments, tmp_path, artifacts=[], metrics=None, matched=None)

    for words in (
        "This run has no figures",
        "No artifact of this run is there.",
        "This run simulated no isolated galaxies.",
        "This run composed no test blends.",
        "This run has no tile",
        "This run trained no model.",
        "No galaxies were injected",
        "No tile of this run has a reference catalogue.",
        "This run has no test blends to show cases of.",
        "This run has no catalogue.",
    ):
        assert words in outline.text
    assert json.loads((tmp_path / "metrics.json").read_text()) == []


def test_a_minimal_run_needs_no_configuration(run, tmp_path: Path):
    described = {key: run.arguments["run"][key] for key in ("run", "seed", "survey")}

    assert "Summary" in made(run.arguments, tmp_path, run=described).text


def test_artifacts_that_are_gone_are_named(run, tmp_path: Path):
    gone = {"stage": "infer", "name": "other.unet", "version": "0" * 10, "folder": str(tmp_path / "gone")}
    outline = made(run.arguments, tmp_path, artifacts=[*run.artifacts, gone])

    assert "infer other.unet" in outline.text
    assert str(tmp_path / "gone") in outline.text


def test_broken_images_are_told_and_the_rest_is_shown(run, tmp_path: Path):
    copied = []
    for artifact in run.artifacts:
        folder = tmp_path / "artifacts" / artifact["stage"] / artifact["name"]
        shutil.copytree(artifact["folder"], folder)
        copied.append({**artifact, "folder": str(folder)})
        if artifact["stage"] in ("blend", "ingest", "simulate"):
            (folder / ("tile.fits" if artifact["stage"] == "ingest" else "stamps.h5")).write_bytes(b"broken")
        if artifact["stage"] == "train":
            (folder / "history.csv").unlink()
        # As if the stage had made them so: what was damaged since is an error.
        record = read_record(folder)
        outputs = {name: sha256(folder / name) for name in product_files(folder)}
        (folder / FILENAME).write_text(json.dumps({**record, "outputs": outputs}))

    outline = made(run.arguments, tmp_path / "out", artifacts=copied)

    assert outline.text.count("They cannot be shown:") == 2
    assert "The tile cannot be shown:" in outline.text
    assert "This part of the page could not be made:" in outline.text
    assert "The history cannot be read:" in outline.text
    assert "Photometry by magnitude" in outline.text


def test_catalogues_without_rows(tmp_path: Path):
    """Every detector found nothing: compare ran, there are catalogues, and the page says so."""
    import fake_run

    class Empty(fake_run.FakeRun):
        def _catalogue(self, recipe, folder, columns, width, bias):
            none = {name: values[:0] for name, values in columns.items()}
            super()._catalogue(recipe, folder, none, width[:0], bias)

    outline = made(Empty(tmp_path).arguments, tmp_path / "out")

    assert "No detector has measured" in outline.text
    assert "Without any source:" in outline.text


def test_unusable_metrics_are_an_error_that_names_the_file(run, tmp_path: Path):
    path = tmp_path / "metrics.json"
    path.write_text("nonsense")

    with pytest.raises(DataError, match=str(path)):
        made(run.arguments, tmp_path, metrics=path)


def test_the_options_of_the_configuration_are_obeyed(run, tmp_path: Path):
    few = {**run.config, "report": ReportConfig(title="Mine", n_examples=2, n_gallery=1).model_dump()}
    outline = made(run.arguments, tmp_path, run={**run.arguments["run"], "config": few})

    assert "Mine: toy" in outline.text
    assert outline.text.count("B/T =") == 2
    # One worst and one best case of each of six detectors.
    assert len(re.findall(r"blend \d+, (?:central|companion)", outline.text)) == 12


def test_the_report_needs_no_torch():
    code = "import sys, skymill.report.report\nsys.exit('torch' in sys.modules)"
    source = str(Path(skymill.__file__).parents[1])
    job = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": source})

    assert job.returncode == 0


@pytest.mark.parametrize("stage", ["blend", "train", "compare", "infer"])
def test_what_was_damaged_since_is_not_shown(run, tmp_path: Path, stage):
    copied = []
    for artifact in run.artifacts:
        folder = tmp_path / "artifacts" / artifact["stage"] / artifact["name"]
        shutil.copytree(artifact["folder"], folder)
        copied.append({**artifact, "folder": str(folder)})
    folder = next(Path(entry["folder"]) for entry in copied if entry["stage"] == stage)
    name = product_files(folder)[-1]
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: expected the file that {stage} wrote"):
        made(run.arguments, tmp_path / "out", artifacts=copied)
