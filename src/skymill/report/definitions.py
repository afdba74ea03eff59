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
        "median |ΔF/F|",
        "Median of the same |F / F_true − 1|, in percent: the typical galaxy, blind to a few bad ones.",
    ),
    (
        "galaxies that both found",
        "Two detectors compared on the galaxies of known flux that both have found and measured (subsets shared/… of "
        "metrics.json): all, isolated ones, blended ones, and blends or injected pairs of which both detectors have "
        "found every galaxy, the convention of Boucaud et al. 2020. Times smaller: the other's flux MAPE over the "
        "network's, its interval from the same resamples of the galaxies. Networks measure test blends at the true "
        "positions; on tiles everyone finds their own. There a detection that holds several true galaxies is that of "
        "the brightest.",
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
        "Bootstrap over whole blends (on tiles over injected pairs and single sources) for flux errors, Wilson score "
        "for fractions. Two figures whose intervals do not overlap differ; the reverse is not certain.",
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
        "PSNR of an image",
        "Peak signal-to-noise ratio, 10 log10(peak² / mean squared difference) in dB, averaged over galaxies: of "
        "linear, sky-subtracted pixels, all those of the deblended stamp; the peak is the brightest pixel of the "
        "central galaxy without noise and neighbours. 20 dB: the typical pixel is off by a tenth of the peak. Noise "
        "counts, so faint galaxies have low values.",
    ),
    (
        "light lost or made up",
        "The mean of |Σ(galaxy + neighbours) / Σ(all galaxies without noise) - 1| in percent, over all pixels of the "
        "two images that a network gives of a blend. A U-Net shares out the blend's pixels: its figure is the noise's.",
    ),
    (
        "SSIM of an image",
        "Mean structural similarity (Wang et al. 2004; Gaussian window of 1.5 px, K1 = 0.01, K2 = 0.03), averaged over "
        "galaxies: of the same pixels, with the same peak as data range. 1 for equal images; pixels of empty sky count "
        "as much as those of the galaxy.",
    ),
    (
        "flux MAPE of an image",
        "Mean of |F / F_true − 1| over galaxies, in percent, F being the sum of all pixels of the image, or of those "
        "within two half-light radii of the true image. This is the light in the picture; the network's own flux is "
        "measured and calibrated apart.",
    ),
    (
        "size and ellipticity error of an image",
        "Medians over galaxies of |size / true size − 1|, in percent, and of the length of the difference of the "
        "ellipticities (a² − b²) / (a² + b²), their angles included: of second moments under a round Gaussian window "
        "that is as wide as the true image's half-light radius, the same for both images. The window makes sizes and "
        "their differences smaller than unweighted ones.",
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
