from skymill.joblog import job_log
from skymill.report.report import report

with job_log(snakemake.log[0]):
    report(
        run=snakemake.params.run,
        artifacts=snakemake.params.run["artifacts"],
        metrics=snakemake.input.metrics,
        matched=snakemake.input.matched,
        notes=snakemake.params.run["notes"],
        output=snakemake.output.page,
    )
