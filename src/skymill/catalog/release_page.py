"""The page of a release: what it holds and what changed since the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from skymill import __version__
from skymill.catalog.diff import HEADER, column_rows, shown, summary
from skymill.catalog.diff_artifacts import ArtifactDiff, diff_artifacts
from skymill.catalog.texttable import markdown

if TYPE_CHECKING:
    from skymill.catalog.release import Entry, Release


def release_page(release: Release, previous: Release | None, results: str | Path) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    release : Release
        The release, whose catalogues are in its folder already.
    previous : Release or None
        The release to compare it with; None for the first one.
    results : str or Path
        The results folder, where the recipes of parents are looked up.
    """
    return "\n\n".join([*_opening(release), *_changes(release, previous, results)]) + "\n"


def _opening(release: Release) -> Iterator[str]:
    yield f"# {release.name}"
    yield f"Catalogues of the run `{release.run}`, made with skymill {__version__}, released {release.made[:10]}."
    yield (
        "Each file is Parquet with VOTable metadata: Astropy reads it with "
        '`Table.read(path, format="parquet.votable")`, TOPCAT, pandas and DuckDB as Parquet. `schemas/` describes the '
        "columns; `provenance.json` beside each catalogue says what it was made from and with; "
        "`sha256sum -c SHA256SUMS` or `skymill verify FOLDER` checks the files."
    )
    header = ("stage", "name", "version", "schema", "rows", "file")
    rows = [
        [e.stage, e.name, e.version, e.schema, str(e.rows), f"[{e.file}]({e.path})"] for e in release.entries
    ]
    yield markdown(header, rows)


def _changes(release: Release, previous: Release | None, results: str | Path) -> Iterator[str]:
    if previous is None:
        yield "## Changes\n\nThis is the first release."
        return
    yield f"## Changes since {previous.name} ({previous.made[:10]})"
    old, new = _by_place(previous), _by_place(release)
    lists = {
        "New": [place for place in new if place not in old],
        "Gone": [place for place in old if place not in new],
        "Unchanged": [place for place in new if place in old and new[place].sha256 == old[place].sha256],
    }
    yield "\n".join(f"- {word}: {', '.join(map(_code, places)) or 'none'}" for word, places in lists.items())
    for place, entry in new.items():
        if place in old and entry.sha256 != old[place].sha256:
            diff = diff_artifacts(
                str(previous.folder / old[place].path), str(release.folder / entry.path), results
            )
            yield from _change(place, old[place], entry, diff)


def _by_place(release: Release) -> dict[str, Entry]:
    return {f"{entry.stage}/{entry.name}/{entry.file}": entry for entry in release.entries}


def _change(place: str, old: Entry, new: Entry, diff: ArtifactDiff) -> Iterator[str]:
    (catalogue,) = diff.catalogues.values()
    yield f"### {place}"
    yield f"Version {old.version} → {new.version}, rows {old.rows} → {new.rows}: {summary(catalogue)}."
    if catalogue.columns_only_a or catalogue.columns_only_b:
        gone, added = (
            ", ".join(names) or "none" for names in (catalogue.columns_only_a, catalogue.columns_only_b)
        )
        yield f"Columns that are gone: {gone}; new: {added}."
    if diff.recipe:
        rows = [[c.artifact, c.key, shown(c.before), shown(c.after)] for c in diff.recipe]
        yield markdown(("recipe of", "key", "before", "now"), rows)
    if rows := column_rows(catalogue):
        yield markdown(HEADER, rows)


def _code(text: str) -> str:
    return f"`{text}`"
