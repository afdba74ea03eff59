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
        "Cramér–Rao bound",
        "The least standard deviation that an unbiased measurement of a flux can have: from the Fisher information of "
        "all pixels of the blend, for the simulation's own model (bulge and disc, or point) with every parameter of "
        "every galaxy of the blend unknown, in the noise of the blend. Real sky counts as white noise of its level.",
    ),
    (
        "flux error over the bound",
        "The median of |F − F_true| / bound, divided by 0.674, its value for normal errors of the size of the bound. "
        "Scatter and bias both count; galaxies that are wrong by factors count no more than others. Who knows in "
        "advance which galaxies are usual is not bound by it.",
    ),
    (
        "flux MAPE at the bound",
        "The mean of 0.798 bound / F_true, in percent: the flux MAPE of unbiased normal errors at the bound, over the "
        "same galaxies.",
    ),
    (
        "68 % and 95 % coverage",
        "Fraction of true fluxes between the detector's own quantiles of 16 and 84 %, and of 2.5 and 97.5 %. Of "
        "detectors that give no quantiles flux_err is taken as the width of a normal distribution.",
    ),
    (
        "PIT",
        "Probability integral transform: the probability that a detector's distribution of a flux gives to values "
        "below the true one. For honest distributions it is spread evenly from 0 to 1; the PIT distance is the largest "
        "difference between its cumulative distribution and an even one (Kolmogorov–Smirnov), below 1.36 / √n in 95 % "
        "of honest samples.",
    ),
)
"""Terms and their meaning, in the order of the page."""
