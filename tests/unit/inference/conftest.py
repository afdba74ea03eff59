from __future__ import annotations

import pytest

from skymill.data.survey import Survey


@pytest.fixture(scope="module")
def survey():
    return Survey(
        name="toy",
        band="r",
        pixel_scale_arcsec=0.4,
        zero_point_mag=25.0,
        gain_e_per_unit=100.0,
        background_rms=2.0,
        psf={"kind": "gaussian", "fwhm_arcsec": 0.8},
    )
