"""What a person types: ``skymill versions | diff | verify | release | ship | cancel | docs``.

Reads arguments and prints; what is printed comes from the library. Modules are imported by the command that needs
them, so that ``skymill --help`` is quick.
"""
# ruff: noqa: T201 - printing is what this module is for

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skymill import __version__
from skymill.errors import SkymillError

if TYPE_CHECKING:
    from skymill.catalog.diff_artifacts import ArtifactDiff
    from skymill.provenance.artifacts import Artifact, Change, Record

RESULTS = "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; by default the process's own.

    Returns
    -------
    int
        Exit status: 0 when the command did its work, 1 after an error or when ``verify`` found a problem, 2 when the
        command line is wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except SkymillError as error:
        print(f"skymill: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; keep Python from complaining when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skymill", description="Versions, comparison and release of skymill's catalogues."
    )
    parser.add_argument("--version", action="version", version=f"skymill {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_versions(commands)
    _add_diff(commands)
    _add_verify(commands)
    _add_release(commands)
    _add_ship(commands)
    _add_cancel(commands)
    _add_docs(commands)
    return parser


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results", default=RESULTS, metavar="FOLDER", help="results folder (default: %(default)s)"
    )


def _add_versions(commands) -> None:
    command = commands.add_parser("versions", help="list artifacts with their recipes")
    command.add_argument("--stage", help="only this stage (simulate, blend, train, infer, …)")
    command.add_argument("--name", help="only artifacts of this name")
    command.add_argument("--params", action="store_true", help="show the recipe of each")
    command.add_argument(
        "--changes", action="store_true", help="show how each recipe differs from the version before it"
    )
    command.add_argument("--json", action="store_true", help="print the records as JSON")
    _add_results(command)
    command.set_defaults(command=versions)


def _add_diff(commands) -> None:
    command = commands.add_parser(
        "diff",
        help="compare two catalogues row by row and statistically",
        description="Compare two catalogues row by row and statistically, and the recipes they were made by. A and B "
        "are catalogues, folders with catalogues, or artifacts: stage/name/version, stage/name@version, stage/name if "
        "there is one version, or a version; its first digits are enough. Rows are matched by galaxy_id or source_id "
        "where there is one, else by position. Numbers are B minus A. The exit status is 0 whether they differ or not.",
    )
    command.add_argument("a", metavar="A")
    command.add_argument("b", metavar="B")
    near = command.add_mutually_exclusive_group()
    near.add_argument("--max-distance-px", type=float, metavar="PX", help="match by pixel position within PX")
    near.add_argument("--max-distance-arcsec", type=float, metavar="ARCSEC", help="match by sky position")
    command.add_argument(
        "--rows",
        type=int,
        default=1,
        metavar="N",
        help="list the N largest changes of each column (default: 1)",
    )
    command.add_argument("--json", action="store_true", help="print all of it as JSON")
    _add_results(command)
    command.set_defaults(command=diff)


def _add_verify(commands) -> None:
    command = commands.add_parser(
        "verify",
        help="recompute checksums and versions of artifacts, runs or releases",
        description="Check files against their recorded checksums, versions against recipes, and whether parents are "
        "still there. The exit status is 1 if a file has changed, is missing or should not be there, or a version is "
        "not its recipe's.",
    )
    command.add_argument(
        "artifact",
        nargs="*",
        help="artifacts, folders of runs or releases (default: all artifacts, runs and chunks)",
    )
    _add_results(command)
    command.set_defaults(command=verify)


def _add_release(commands) -> None:
    command = commands.add_parser("release", help="make an immutable, named copy of a run's catalogues")
    command.add_argument("name", metavar="NAME", help="name of the release; it must be new")
    command.add_argument(
        "--run", default="default", help="run whose catalogues are released (default: %(default)s)"
    )
    command.add_argument("--stage", action="append", default=[], help="only this stage; may be repeated")
    command.add_argument(
        "--to", default="releases", metavar="FOLDER", help="where it is made (default: %(default)s)"
    )
    _add_results(command)
    command.set_defaults(command=release)


def _add_ship(commands) -> None:
    command = commands.add_parser(
        "ship",
        help="put a trained network where runs find it (config: pretrained, pretrained_…)",
        description="Write weights at half precision, the card with its test figures and the training's history to "
        "FOLDER/<survey>/NAME. A network that is there under that name is replaced. Needs what training needs "
        "(envs/train.yaml).",
    )
    command.add_argument(
        "model",
        metavar="MODEL",
        help="folder of the trained network (results/artifacts/train/…, finder/…, generator/… or restorer/…)",
    )
    command.add_argument("name", metavar="NAME", help="what it shall be called")
    command.add_argument(
        "--metrics",
        metavar="FILE",
        help="metrics.json of a run that has tested it; of a finder, what benchmarks/finder.py wrote",
    )
    command.add_argument("--to", default="models", metavar="FOLDER", help="where (default: %(default)s)")
    command.set_defaults(command=ship)


def _add_cancel(commands) -> None:
    command = commands.add_parser(
        "cancel",
        help="end the jobs of a run that was killed, here or in Slurm, and unlock its folder",
        description="End the jobs that a killed run has left on this machine, cancel your Slurm jobs that are named "
        "after a run in the folder's logs, wait until they have ended, and unlock the folder. Refused while Snakemake "
        "runs there; one on another machine is not seen.",
    )
    command.add_argument(
        "folder",
        nargs="?",
        default=".",
        metavar="FOLDER",
        help="the run's working directory (default: this one)",
    )
    command.add_argument("--dry-run", action="store_true", help="only list the jobs")
    command.set_defaults(command=cancel)


def _add_docs(commands) -> None:
    command = commands.add_parser("docs", help="print a generated document")
    command.add_argument(
        "page",
        choices=["catalogue", "config", "schema"],
        help="catalogue: docs/catalogue.md, the columns and flags; config: config/README.md, every key; "
        "schema: workflow/schemas/config.schema.json",
    )
    command.set_defaults(command=docs)


def versions(options: argparse.Namespace) -> int:
    """List artifacts."""
    from skymill.catalog.texttable import aligned
    from skymill.provenance.artifacts import list_artifacts

    found = list_artifacts(options.results, options.stage, options.name)
    if options.json:
        print(json.dumps([_described(artifact) for artifact in found], indent=1))
    elif not found:
        print(f"no artifacts below {Path(options.results) / 'artifacts'}", file=sys.stderr)
    elif options.params or options.changes:
        _print_recipes(found, options)
    else:
        header = ("stage", "name", "version", "rows", "finished", "seconds", "parents")
        print(aligned(header, [_line(artifact) for artifact in found]))
    return 0


def _described(artifact: Artifact) -> dict:
    place = {"stage": artifact.stage, "name": artifact.name, "version": artifact.version}
    return {**place, "folder": str(artifact.folder), "record": artifact.record}


def _line(artifact: Artifact) -> list[str]:
    place = [artifact.stage, artifact.name, artifact.version]
    record = artifact.record
    if record is None:
        return [*place, "", "unfinished", "", ""]
    parents = " ".join(f"{role}={_short(version)}" for role, version in record["parents"].items())
    return [*place, str(record["rows"]), artifact.finished, f"{record['wall_time_s']:.1f}", parents]


def _short(version: str) -> str:
    """Return a version whole, and of a checksum as much as of a version."""
    return version[:10] if len(version) == 64 else version.replace(" ", ",")


def _print_recipes(artifacts: Sequence[Artifact], options: argparse.Namespace) -> None:
    from skymill.provenance.artifacts import list_artifacts, records_by_version

    known = records_by_version(list_artifacts(options.results))
    before: dict[tuple[str, str], Artifact] = {}
    for artifact in artifacts:
        print(artifact.label if artifact.record else f"{artifact.label}  unfinished")
        if artifact.record is None:
            continue
        if options.params:
            _print_params(artifact.record)
        if options.changes:
            _print_changes_since(before.get((artifact.stage, artifact.name)), artifact, known)
        before[artifact.stage, artifact.name] = artifact


def _print_params(record: Record) -> None:
    recipe = {"params": record["params"], "parents": record["parents"]}
    lines = json.dumps(recipe, indent=1, sort_keys=True).splitlines()[1:-1]
    print("\n".join(f"  {line}" for line in lines))


def _print_changes_since(before: Artifact | None, artifact: Artifact, known: dict[str, Record]) -> None:
    from skymill.provenance.artifacts import recipe_changes

    if before is None:
        print("  the first version")
        return
    print(f"  since {before.version}:")
    for change in recipe_changes(before.record, artifact.record, known):
        print(f"    {_change(change)}")


def _change(change: Change) -> str:
    return f"{change.artifact}  {change.key}: {change.before} -> {change.after}"


def diff(options: argparse.Namespace) -> int:
    """Compare two catalogues."""
    from skymill.catalog.diff_artifacts import diff_artifacts

    found = diff_artifacts(
        options.a,
        options.b,
        options.results,
        max_distance_px=options.max_distance_px,
        max_distance_arcsec=options.max_distance_arcsec,
        changes=options.rows,
    )
    if options.json:
        print(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        _print_diff(found)
    return 0


def _print_diff(found: ArtifactDiff) -> None:
    from skymill.catalog.diff import HEADER, column_rows, summary
    from skymill.catalog.texttable import aligned

    for name, catalogue in found.catalogues.items():
        print(f"A  {catalogue.a}: {catalogue.rows_a} rows, schema {catalogue.schema_a}")
        print(f"B  {catalogue.b}: {catalogue.rows_b} rows, schema {catalogue.schema_b}")
        print(f"{name}: {summary(catalogue)}")
        for side, names in (("A", catalogue.columns_only_a), ("B", catalogue.columns_only_b)):
            if names:
                print(f"columns only in {side}: {', '.join(names)}")
        if rows := column_rows(catalogue):
            print(aligned(HEADER, rows))
        print()
    _print_change_list("recipe", found.recipe)
    _print_change_list("packages and code", found.environment)


def _print_change_list(title: str, changes: Sequence[Change] | None) -> None:
    if changes is None:
        print(f"{title}: not recorded for both")
    elif not changes:
        print(f"{title}: the same")
    else:
        print(f"{title}:")
        for change in changes:
            print(f"  {_change(change)}")


def verify(options: argparse.Namespace) -> int:
    """Check artifacts and releases."""
    from skymill.catalog.release import is_release, verify_release
    from skymill.provenance.artifacts import list_artifacts
    from skymill.provenance.runs import is_run, run_folders, verify_chunks, verify_run
    from skymill.provenance.verify import verify as verify_artifacts

    runs = [name for name in options.artifact if is_run(name)]
    releases = [name for name in options.artifact if is_release(name) and name not in runs]
    named = [_artifact(name, options.results) for name in options.artifact if name not in {*runs, *releases}]
    if not options.artifact:
        runs = run_folders(options.results)
    artifacts = named if options.artifact else list_artifacts(options.results)
    findings = list(verify_artifacts(options.results, artifacts))
    findings += [finding for folder in runs for finding in verify_run(folder)]
    findings += [] if options.artifact else verify_chunks(options.results)
    findings += [finding for folder in releases for finding in verify_release(folder)]
    for finding in findings:
        print(f"{'PROBLEM' if finding.is_problem else 'note'}  {finding.where}: {finding.what}")
    problems = sum(finding.is_problem for finding in findings)
    counts = f"{len(artifacts)} artifacts, {len(runs)} runs and {len(releases)} releases"
    print(f"{counts} verified, {problems} problems")
    return 1 if problems else 0


def _artifact(name: str, results: str) -> Artifact:
    from skymill.provenance.artifacts import find_artifact, read_artifact

    return read_artifact(name) if Path(name).is_dir() else find_artifact(results, name)


def release(options: argparse.Namespace) -> int:
    """Make a release."""
    from skymill.catalog.release import release as make_release

    print(make_release(options.name, options.run, options.results, options.to, options.stage))
    return 0


def ship(options: argparse.Namespace) -> int:
    """Ship a network."""
    from skymill.training.shipped import ship_model

    print(ship_model(options.model, options.name, options.to, options.metrics))
    return 0


def cancel(options: argparse.Namespace) -> int:
    """Clear up after a run that was killed."""
    from skymill import orphans, slurm

    jobs, processes = slurm.dead_jobs(options.folder), orphans.orphans(options.folder)
    for job in jobs:
        print(f"{job.number}  {job.state.lower()}  {job.run}")
    for process in processes:
        print(f"{process}  running  on this machine")
    if not options.dry_run:
        slurm.cancel(jobs)
        orphans.end(processes)
        slurm.unlock(options.folder)
        print(f"{len(jobs) + len(processes)} jobs cancelled, {options.folder} unlocked")
    return 0


def docs(options: argparse.Namespace) -> int:
    """Print a generated document."""
    from skymill.catalog.pages import catalogue_page
    from skymill.config.pages import config_page, json_schema

    print({"catalogue": catalogue_page, "config": config_page, "schema": json_schema}[options.page](), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
