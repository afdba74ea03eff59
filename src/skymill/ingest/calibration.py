"""Which zero-point, gain and saturation hold for an image: what the table, the header and the survey say of them."""

from __future__ import annotations

from dataclasses import dataclass

from skymill.config.ingest import IngestConfig, TileFacts
from skymill.data.survey import Survey, flux_scale
from skymill.errors import DataError
from skymill.ingest.checks import Checks
from skymill.ingest.header import HeaderFacts

SAME_MAG = 0.02
"""Zero-points that differ by less are rounded differently."""
SAME_FACTOR = 1.5
"""Gains that differ by less are those of neighbouring chips and exposures."""
ELECTRONS = (0.3, 1e5)
"""Least and most noise of the sky a pixel, electrons. Counted photons of a short ultraviolet exposure have 0.5,
one read of a CCD 2 and more; stacks of thousands of infrared exposures 10,000."""


@dataclass(frozen=True)
class Calibration:
    """What turns an image's values into light, in the unit of the file.

    Parameters
    ----------
    zero_point_mag : float
        AB magnitude of one unit.
    gain_e_per_unit : float
        Electrons for one unit.
    saturation : float or None
        Value above which a pixel is saturated, sky included.
    """

    zero_point_mag: float
    gain_e_per_unit: float
    saturation: float | None


def calibrate(
    header: HeaderFacts, row: TileFacts, survey: Survey, config: IngestConfig, checks: Checks
) -> Calibration:
    """Choose zero-point, gain and saturation, compare what is said of them and note what was taken.

    Raises
    ------
    DataError
        If the header contradicts the filter or the zero-point that would be taken, unless ``on_mismatch`` is
        ``go_on``.
    """
    _check_filter(header, survey, config, checks)
    zero_point = _zero_point(header, row, survey, config, checks)
    scale = flux_scale(survey.zero_point_mag, zero_point)
    gain = _gain(header, row, survey.gain_e_per_unit / scale, checks)
    saturation = _saturation(header, survey, config, scale, checks)
    return Calibration(zero_point, gain, saturation)


def check_electrons(gain: float, rms: float, where: str, config: IngestConfig, checks: Checks) -> None:
    """Refuse a gain with which the sky's noise would be of so few or many electrons as no detector gives.

    Parameters
    ----------
    gain : float
        Electrons for one unit.
    rms : float
        Typical noise of the sky, the same unit.
    where : str
        File and HDU.
    config : IngestConfig
        Whether to refuse.
    checks : Checks
        Account of the tile.
    """
    least, most = ELECTRONS
    if not least <= gain * rms <= most:
        error = DataError(
            where,
            expected=f"a sky noise of {least:g} to {most:g} electrons a pixel",
            found=f"{gain * rms:.3g}: gain {gain:.4g} electrons a unit times noise {rms:.3g} units",
            remedy="Give gain_e_per_unit or zero_point_mag in the tile table: electrons for one unit of this image.",
        )
        checks.refuse(error, config)


def _check_filter(header: HeaderFacts, survey: Survey, config: IngestConfig, checks: Checks) -> None:
    band, said = survey.band.lower(), " + ".join(header.filters)
    same = {"k": "ks", "ks": "k"}.get(band, band)
    if not said:
        checks.note("filter", survey.band, "assumed", "the header names none")
    elif not header.bands:
        checks.note("filter", survey.band, "assumed", f"the header's '{said}' is not understood")
    elif header.bands & {band, same}:
        checks.note("filter", said, "read")
    else:
        checks.note("filter", said, "read", f"the survey's is {survey.band}")
        error = DataError(
            checks.where,
            expected=f"the filter {survey.band} of survey {survey.name}",
            found=f"'{said}' in the header",
            remedy="Name the survey of that filter in the tile table.",
        )
        checks.refuse(error, config)


def _zero_point(
    header: HeaderFacts, row: TileFacts, survey: Survey, config: IngestConfig, checks: Checks
) -> float:
    """Choose the zero-point: the table's, else that of the unit, else the survey's."""
    implied = header.unit_zero_point_mag
    if header.unit is None:
        checks.note("unit", "not named", "assumed", "that of the zero-point")
    else:
        what = "" if implied is None else f"AB {implied:.3f} mag"
        checks.note("unit", header.unit, "read", what)
    taken, source = survey.zero_point_mag, "assumed"
    if row.zero_point_mag is not None:
        taken, source = row.zero_point_mag, "given"
    elif implied is not None:
        taken, source = implied, "read"
    checks.note("zero-point", f"{taken:.4f} mag", source)
    said = dict(header.zero_points) if source == "assumed" else {}
    if source == "given" and implied is not None:
        said = {"BUNIT": implied}
    _compare_zero_points(taken, said, header, config, checks)
    return taken


def _compare_zero_points(
    taken: float, said: dict[str, float], header: HeaderFacts, config: IngestConfig, checks: Checks
) -> None:
    if not said or any(abs(value - taken) <= SAME_MAG for value in said.values()):
        return
    key, value = next(iter(said.items()))
    unit = f" ({header.unit})" if key == "BUNIT" else ""
    error = DataError(
        checks.where,
        expected=f"the zero-point {taken:.4f} mag that would be taken",
        found=f"{value:.4f} mag from the header's {key}{unit}",
        remedy="Give the AB zero-point of this image as zero_point_mag in the tile table.",
    )
    checks.refuse(error, config)


def _gain(header: HeaderFacts, row: TileFacts, survey_gain: float, checks: Checks) -> float:
    said = f"the header's {header.gain[0]} is {header.gain[1]:.4g}" if header.gain else ""
    if row.gain_e_per_unit is not None:
        checks.note("gain", f"{row.gain_e_per_unit:.4g} e/unit", "given", said)
        return row.gain_e_per_unit
    checks.note("gain", f"{survey_gain:.4g} e/unit", "assumed", said)
    # Electrons for a count, where the image is in counts: a calibrated image's gain is another one.
    is_counts = header.unit is None or header.unit.lower().split("/")[0] in ("adu", "dn", "count", "counts")
    if header.gain and is_counts and not 1 / SAME_FACTOR < header.gain[1] / survey_gain < SAME_FACTOR:
        checks.warn(
            f"{said}, that of the survey at this zero-point {survey_gain:.4g} e/unit, which is taken: "
            "if the header is right, give gain_e_per_unit in the tile table"
        )
    return survey_gain


def _saturation(
    header: HeaderFacts, survey: Survey, config: IngestConfig, scale: float, checks: Checks
) -> float | None:
    """Choose the saturation: the configuration's, else the lower of header and survey."""
    if config.saturation is not None:
        checks.note("saturation", f"{config.saturation:.5g}", "given")
        return config.saturation
    own = None if survey.saturation is None else survey.saturation * scale
    # In images of flux density the keyword is seldom converted with the pixels.
    read = header.saturation[1] if header.saturation and header.unit_zero_point_mag is None else None
    if read is not None and (own is None or read < own):
        checks.note("saturation", f"{read:.5g}", "read", header.saturation[0])
        return read
    if own is None:
        checks.note("saturation", "none", "assumed", "neither header nor survey name any")
    else:
        checks.note("saturation", f"{own:.5g}", "assumed", f"the header has {read:.5g}" if read else "")
    return own
