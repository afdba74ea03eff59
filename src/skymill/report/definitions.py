"""What each figure of the page means, in words."""

from __future__ import annotations

DEFINITIONS = (
    (
        "flux MAPE",
        "Mean absolute percentage error of the flux: the mean of |F / F_true − 1|, in percent, over the true galaxies "
        "that the detector measured (Boucaud et al. 2020, equation 2). Every galaxy counts the same; a few that are "
        "wrong by factors can rule it.",
    ),
    (
        "Δm",
        "Measured minus true magnitude, −2.5 log10(F / F_true). A flux of zero or less counts as infinitely faint.",
    ),
    ("bias", "Median of Δm."),
    ("σ(Δm)", "Standard deviation of Δm with all outliers in it; galaxies without a finite Δm are left out."),
    (
        "NMAD",
        "1.4826 times the median absolute deviation of Δm from its median: the width of the core, blind to outliers.",
    ),
    ("outliers", "Fraction with |Δm| > 0.75 mag: the flux is wrong by a factor of two or more."),
    ("completeness", "Fraction of the true sources that have a detection within the matching distance."),
    (
        "purity",
        "Fraction of the detections that belong to a true source. Against another survey's catalogue it is a lower "
        "limit: a real source may be missing there.",
    ),
    (
        "matching",
        "One to one: all pairs of a true source and a detection closer than the maximum distance (configuration: "
        "compare.max_distance_px) are taken in order of distance, each source once.",
    ),
    (
        "where every galaxy was found",
        "The blends in which the reference detector found exactly the galaxies that are there. Detectors are compared "
        "there on the same galaxies, and none is judged by blends that only another one could split.",
    ),
    (
        "blend class",
        "isolated, moderate or strong, by how much of the light within the galaxy's own mask is its neighbours'.",
    ),
    (
        "what counts",
        "Sources at an edge or on masked or saturated pixels are left out of every figure (column is_counted of "
        "matched.parquet). Of an SDSS photoObj catalogue the leaves of the deblending trees count; second entries of a "
        "bright source, from before its family was detected again, are left out.",
    ),
    (
        "95 % interval",
        "Bootstrap over whole blends (sources on tiles one by one) for flux errors, Wilson score for fractions. Two "
        "figures whose intervals do not overlap differ; the reverse is not certain.",
    ),
    (
        "68 % and 95 % coverage",
        "Fraction of true fluxes within 0.994 and 1.960 flux_err of the measured one: 68 and 95 % for honest normal "
        "errors.",
    ),
)
"""Terms and their meaning, in the order of the page."""
