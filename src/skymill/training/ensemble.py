"""Ensembles: models that differ in their seed or their form become one model, calibrated as a whole."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skymill.config.network import EnsembleNetwork
from skymill.errors import DataError
from skymill.models.build import count_parameters
from skymill.models.ensemble import Ensemble
from skymill.provenance.record import recording
from skymill.training.card import (
    CARD,
    WEIGHTS,
    Model,
    load_model,
    plain_weights,
    save_weights,
    write_card,
)
from skymill.training.history import CURVES, HISTORY, best_epoch, draw_curves, read_history, write_history
from skymill.training.probe import probe
from skymill.training.train import calibrate_network, validation_batches

log = logging.getLogger(__name__)


def join_models(
    recipe: Mapping[str, Any],
    models: Sequence[str | Path],
    stamps: str | Path,
    truth: str | Path,
    folder: str | Path,
    noise_tile: str | Path | None = None,
) -> None:
    """Join trained models to one that gives their mean, and calibrate it on the validation blends.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` as for :func:`skymill.training.train.train_model`.
    models : sequence of str or Path
        Cards of the members: of one survey, size of stamps and way to express fluxes. The ensemble has the
        task of the first.
    stamps, truth, noise_tile : str or Path
        As for the training of the members.
    folder : str or Path
        The model's folder; the history is that of the member with the lowest validation loss.

    Raises
    ------
    DataError
        If the members do not go together, or a file cannot be read or written.
    """
    folder = Path(folder)
    parents: dict[str, str | Path] = {"stamps": stamps, "truth": truth}
    parents |= {"noise_tile": noise_tile} if noise_tile else {}
    parents |= {f"member{number}": path for number, path in enumerate(models)}
    with recording(recipe, folder, parents=parents) as record:
        members = [load_model(path) for path in models]
        _check_alike(models, members)
        first = members[0]
        network = Ensemble([member.network for member in members]).eval()
        batches = validation_batches(recipe, parents)
        calibration = calibrate_network(network, first.task, batches)
        histories = [read_history(Path(path).parent / HISTORY) for path in models]
        best = min(histories, key=lambda history: best_epoch(history)["validation_loss"])
        card = first.card.model_copy(
            update={
                "name": recipe["name"],
                "version": recipe["version"],
                "network": EnsembleNetwork(
                    kind="ensemble", members=tuple(member.card.network for member in members)
                ),
                "parents": dict(recipe["parents"]),
                "calibration": calibration,
                "probe": probe(network, first.task, calibration, first.card.input_px),
                "parameters": count_parameters(network),
                "hours": sum(member.card.hours for member in members),
                "weights_sha256": save_weights(folder / WEIGHTS, plain_weights(network)),
                "test": {},
            }
        )
        write_card(folder / CARD, card)
        write_history(folder / HISTORY, best)
        draw_curves(folder / CURVES, best, f"{recipe['name']} {recipe['version']}: its best member")
        record.rows = len(members)
        log.info("%s: %d networks are one", recipe["name"], len(members))


def _check_alike(paths: Sequence[str | Path], members: Sequence[Model]) -> None:
    wanted = _what_must_agree(members[0])
    for path, member in zip(paths, members, strict=True):
        for key, found in _what_must_agree(member).items():
            if wanted[key] != found:
                raise DataError(
                    path,
                    expected=f"a model with the same {key} as {paths[0]}: {wanted[key]}",
                    found=str(found),
                )


def _what_must_agree(model: Model) -> dict[str, Any]:
    """Return what members share: without it the mean of their numbers would mean nothing."""
    card = model.card
    of_task = {
        key: getattr(card.task, key) for key in ("outputs", "anchor_radius_fwhm", "anchor_floor_sigma")
    }
    return {"input_px": card.input_px, "survey": card.survey, **of_task}
