"""Stage restore: galaxies of the test side, degraded and restored by a network and by deconvolutions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from skymill.config.restorer import RestorationConfig
from skymill.data.survey import Survey
from skymill.errors import ConfigError
from skymill.inference.deconvolution import gaussian, richardson_lucy, unsupervised_wiener, wiener
from skymill.inference.restored_figures import figures, image_psnr, records_of
from skymill.inference.restored_picture import PICTURE, Panel, draw_restored
from skymill.metrics.record import to_json
from skymill.models.degradation import added_sigma_px, reach_px
from skymill.models.device import describe_device, peak_memory_mb
from skymill.provenance.atomic import write_text
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.training.card import CARD, WEIGHTS
from skymill.training.degrade import Ratios, degrade, window_px
from skymill.training.galaxies import GalaxyData
from skymill.training.restorer_card import RestorerModel, load_restorer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

log = logging.getLogger(__name__)

METRICS, TUNED = "metrics.json", "tuned.json"
AT_ONCE = 64
DEGRADED = "degraded"
ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50)
USUAL_ITERATIONS = 30
"""What many take where nothing is tuned; scikit-image's example has it, too."""
PEDESTALS = (0.0, 3.0)
"""Sky under Richardson–Lucy's images, units of their noise; the first is none."""
TURNS = tuple(product((False, True), repeat=3))
BALANCES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


class Setting(NamedTuple):
    """How bad images are, over the survey's own."""

    psf: float
    noise: float

    def __str__(self) -> str:
        return f"psf:{self.psf:g}/noise:{self.noise:g}"


class Sample(NamedTuple):
    """Galaxies in one degradation, in units of the survey's background rms.

    Parameters
    ----------
    image, true : ndarray (n, y, x)
        Degraded, and as they are with the survey's PSF and without noise.
    x, y : ndarray (n,)
        True centres, 0-based px.
    noise : float
        Noise of the degraded images.
    psf : ndarray (k, k)
        What has made the PSF wider.
    """

    image: NDArray[np.float64]
    true: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    noise: float
    psf: NDArray[np.float64]


Method = Callable[[Sample], "NDArray[np.float64]"]


def restore_galaxies(
    recipe: Mapping[str, Any], restorer: str | Path, stamps: str | Path, truth: str | Path, folder: str | Path
) -> None:
    """Compare a network with deconvolutions on galaxies that it has not seen.

    The deconvolutions know the Gaussian that has made the PSF wider, and their iterations and weights are those of the
    best mean PSNR of validation galaxies in the same degradation; the network is told both ratios.

    Parameters
    ----------
    recipe : mapping
        ``params`` with ``seed``, ``survey`` and ``restoration``
        (:class:`~skymill.config.restorer.RestorationConfig`); its name is that of the restorer.
    restorer : path
        The network: its folder, or its card or weights within it.
    stamps, truth : path
        The population.
    folder : path
        Gets ``metrics.json`` (records of the dataset ``restored:<name>``), ``tuned.json`` (what was chosen for the
        deconvolutions), ``restored.png`` and ``provenance.json``.

    Raises
    ------
    ConfigError
        If a degradation is worse than those that the network has learned.
    DataError
        If a file cannot be read or written, or a side has no galaxy.
    VersionError
        If the weights do not fit.
    """
    folder, name, params = Path(folder), recipe["name"], recipe["params"]
    config, seed = RestorationConfig.model_validate(params["restoration"]), int(params["seed"])
    of_model = Path(restorer) if Path(restorer).is_dir() else Path(restorer).parent
    files = {"stamps": stamps, "truth": truth, "card": of_model / CARD, "weights": of_model / WEIGHTS}
    with recording(recipe, folder, parents=files) as record:
        model = load_restorer(of_model)
        settings = settings_of(config, model)
        survey = Survey.model_validate(params["survey"])
        side_px = window_px(model.card.input_px, survey.psf_fwhm_px, max(config.psf_fwhm_ratio))
        test, validation = (
            GalaxyData(stamps, truth, side, survey, side_px) for side in ("test", "validation")
        )
        records, tuned, panels, spent_s = [], {}, [], 0.0
        for setting in settings:
            draw = partial(sample, setting=setting, survey=survey, input_px=model.card.input_px, seed=seed)
            methods, tuned[str(setting)] = tune(draw(validation, "tuning", n=config.n_tuning), seed)
            seen = draw(test, "test", n=config.n_galaxies)
            began_s = process_time()
            images = {DEGRADED: seen.image, name: restored(model, seen.image, setting)}
            spent_s += process_time() - began_s
            images |= {method: function(seen) for method, function in methods.items()}
            columns = {who: figures(light, seen.true, seen.x, seen.y) for who, light in images.items()}
            generator = rng(seed, "restore", name, "intervals", str(setting))
            records += records_of(columns, f"restored:{name}", str(setting), name, generator)
            psnr = {who: float(values["psnr"].mean()) for who, values in columns.items()}
            log.info("%s: PSNR %s", setting, ", ".join(f"{who} {value:.2f}" for who, value in psnr.items()))
            panels.append(Panel(setting.psf, setting.noise, images, seen.true))
        draw_restored(folder / PICTURE, panels[-1], name)
        write_text(folder / METRICS, to_json(records))
        write_text(folder / TUNED, json.dumps(tuned, indent=1))
        record.rows = len(panels[-1].true)
        record.extra["figures"] = len(records)
        # For the page's table of costs: of all galaxies once.
        record.extra["cpu_s"] = spent_s / len(settings)
        record.extra["device"] = describe_device(torch.device("cpu"))
        record.extra["peak_memory_mb"] = peak_memory_mb()


def settings_of(config: RestorationConfig, model: RestorerModel) -> list[Setting]:
    """Return the degradations, the worst last.

    Raises
    ------
    ConfigError
        If one is worse than those that the network has learned.
    """
    known = model.card.degradation
    for key in ("psf_fwhm_ratio", "noise_ratio"):
        asked, (low, high) = getattr(config, key), getattr(known, key)
        if not (low <= min(asked) and max(asked) <= high):
            raise ConfigError(
                f"restoration.{key}",
                expected=f"ratios that {model.card.name} has learned, {low:g} to {high:g}",
                found=", ".join(f"{one:g}" for one in asked),
            )
    return [
        Setting(psf, noise) for psf in sorted(config.psf_fwhm_ratio) for noise in sorted(config.noise_ratio)
    ]


def sample(
    galaxies: GalaxyData, which: str, *, n: int, setting: Setting, survey: Survey, input_px: int, seed: int
) -> Sample:
    """Degrade the first `n` galaxies; `which` keys the noise, which is another for each setting."""
    rows = np.arange(min(n, len(galaxies)))
    windows = galaxies[rows]
    ratios = Ratios(*(np.full(len(rows), one) for one in setting))
    generator = rng(seed, "restore", which, str(setting))
    seen = degrade(windows["image"][..., :-1, :-1], ratios, survey, input_px, generator)
    image, true = (setting.noise * one[:, 0].double().numpy() for one in (seen.image, seen.light))
    x, y = (input_px // 2 + windows[name].double().numpy() for name in ("dx", "dy"))
    sigma_px = float(added_sigma_px(survey.psf_fwhm_px, torch.tensor(setting.psf)))
    psf = gaussian(sigma_px, max(reach_px(survey.psf_fwhm_px, setting.psf), 1))
    return Sample(image, true, x, y, setting.noise, psf)


@torch.inference_mode()
def restored(model: RestorerModel, images: NDArray, setting: Setting) -> NDArray[np.float64]:
    """Restore images (n, y, x) in the survey's background rms: the mean of what a network makes of all eight turns.

    A galaxy may lie any way round, and the network's errors in one are not those in another.
    """
    condition = torch.log2(torch.tensor(setting))
    parts = []
    for start in range(0, len(images), AT_ONCE):
        some = torch.from_numpy(images[start : start + AT_ONCE] / setting.noise).float()
        given = condition.expand(len(some), 2)
        light = [
            turn(
                model.network(model.task.inputs(turn(some, one)[:, None], given)).layers[:, 0], one, back=True
            )
            for one in TURNS
        ]
        parts.append(setting.noise * torch.stack(light).mean(dim=0).double().numpy())
    return np.concatenate(parts)


def turn(images: Tensor, which: tuple[bool, bool, bool], *, back: bool = False) -> Tensor:
    """Mirror images (n, y, x) in y, in x, and swap the axes; `back` undoes it. Pixel side // 2 stays where it is.

    In images of even side the first row and column have no partner, and stay as well.
    """
    for step in reversed((0, 1, 2)) if back else (0, 1, 2):
        if not which[step]:
            continue
        if step == 2:
            images = images.transpose(1, 2)
        else:
            axis = 1 + step
            images = images.flip(axis).roll(1 - images.shape[axis] % 2, dims=axis)
    return images


def tune(seen: Sample, seed: int) -> tuple[dict[str, Method], dict[str, Any]]:
    """Choose iterations and weights on a sample; return the deconvolutions by name, and what was chosen.

    ``richardson_lucy`` and ``wiener`` have the best mean PSNR of linear pixels, ``richardson_lucy_asinh`` that of
    stretched ones; ``richardson_lucy_no_sky`` is the best without a pedestal, as it is mostly used.
    ``richardson_lucy_30`` is not tuned, and ``unsupervised_wiener`` tunes itself.
    """
    options = {
        f"{iterations} iterations, pedestal {pedestal:g}": partial(_lucy, iterations, pedestal)
        for pedestal in PEDESTALS
        for iterations in ITERATIONS
    }
    scores = {words: _scores(function, seen) for words, function in options.items()}
    linear, stretched = (max(scores, key=lambda words: scores[words][which]) for which in (0, 1))
    no_sky = max(list(options)[: len(ITERATIONS)], key=lambda words: scores[words][0])
    filters = {f"balance {balance:g}": partial(_wiener, balance) for balance in BALANCES}
    filtered = {words: _scores(function, seen) for words, function in filters.items()}
    balance = max(filtered, key=lambda words: filtered[words][0])
    methods = {
        "richardson_lucy": options[linear],
        "richardson_lucy_asinh": options[stretched],
        "richardson_lucy_no_sky": options[no_sky],
        f"richardson_lucy_{USUAL_ITERATIONS}": partial(_lucy, USUAL_ITERATIONS, 0.0),
        "wiener": filters[balance],
        "unsupervised_wiener": partial(_unsupervised, seed),
    }
    chosen = {"richardson_lucy": linear, "richardson_lucy_asinh": stretched}
    chosen |= {"richardson_lucy_no_sky": no_sky, "wiener": balance}
    psnr = {words: pair[0] for words, pair in (scores | filtered).items()}
    return methods, {"chosen": chosen, "psnr_db": psnr}


def _scores(function: Method, seen: Sample) -> tuple[float, float]:
    """Return the mean PSNR of linear and of stretched pixels."""
    found = function(seen)
    return tuple(float(image_psnr(found, seen.true, is_linear=linear).mean()) for linear in (True, False))


def _lucy(iterations: int, pedestal: float, seen: Sample) -> NDArray[np.float64]:
    return richardson_lucy(seen.image, seen.psf, iterations, np.full(len(seen.image), pedestal * seen.noise))


def _wiener(balance: float, seen: Sample) -> NDArray[np.float64]:
    return wiener(seen.image, seen.psf, balance)


def _unsupervised(seed: int, seen: Sample) -> NDArray[np.float64]:
    return unsupervised_wiener(seen.image, seen.psf, seed)
