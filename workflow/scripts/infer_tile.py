from pathlib import Path

from skymill.detectors.infer import infer_tile
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    infer_tile(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        tile=snakemake.input.tile,
        model=Path(snakemake.input.weights).parent,
        output=snakemake.output.catalogue,
        finder=snakemake.input.get("finder_weights") or None,
        generator=snakemake.input.get("anomaly_weights") or None,
    )
