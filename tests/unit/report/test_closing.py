"""What a run says last."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from skymill.report.closing import SHOWN, closing


@dataclass
class Run:
    face: Path
    catalogues: dict[str, str] = field(default_factory=dict)

    @property
    def page(self):
        return self.face / "report.html"

    def measured(self):
        return self.catalogues


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a network's catalogues of a tile as it is and with injected galaxies, and another detector's."""
    monkeypatch.chdir(tmp_path)
    made = {"sky.unet": "infer", "sky.injected.unet": "infer", "sky.sep": "baseline", "gone.unet": "infer"}
    run = Run(Path("results/run"))
    for name, stage in made.items():
        path = Path(f"results/artifacts/{stage}/{name}/0/catalogue.parquet")
        run.catalogues[name] = str(path)
        if name != "gone.unet":
            path.parent.mkdir(parents=True)
            path.write_text(name)
    return run


@pytest.mark.parametrize("targets", [set(), {"all"}, {"report"}, {"results/run/report.html"}])
def test_a_run_says_where_its_page_is(run, targets):
    assert closing(run, targets) == ["results/run/report.html"]
    assert not run.face.exists()


def test_other_stages_say_nothing(run):
    assert closing(run, {"train"}) == []


def test_catalogues_are_named_and_all_are_linked(run):
    assert closing(run, {"catalog"}) == ["results/run/catalogues/sky.unet.parquet"]
    links = {path.name: path.read_text() for path in (run.face / "catalogues").iterdir()}
    assert links == {f"{name}.parquet": name for name in ("sky.unet", "sky.injected.unet", "sky.sep")}


def test_of_many_some_are_named(run):
    text = run.catalogues["sky.unet"]
    run.catalogues = {f"sky{number}.unet": text for number in range(SHOWN + 5)}
    *named, more = closing(run, {"catalog"})
    assert len(named) == SHOWN
    assert more == "… and 5 more in results/run/catalogues"
