# report: one page that works offline
#
# needs   everything of the run
# makes   results/<run>/report.html, metrics.json, manifest.json, catalogues/, figures/
# steps   one job


rule report:
    input:
        products=plan.main_files(*STAGES),
        metrics=plan.artifact("compare", run_config.run).file("metrics"),
        matched=plan.artifact("compare", run_config.run).file("matched"),
    output:
        page=report(
            str(plan.page),
            category="Run",
            caption="../captions/report.rst",
        ),
        summary=report(
            str(plan.face / "figures" / "summary.png"),
            category="Run",
            caption="../captions/summary.rst",
        ),
        metrics=str(plan.face / "metrics.json"),
        manifest=str(plan.face / "manifest.json"),
    log:
        f"results/logs/report/{run_config.run}.log",
    benchmark:
        f"results/benchmarks/report/{run_config.run}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        run=described,
        identity=plan.identity,
        code=code_stamp("skymill.report.report"),
    message:
        "report: the page of this run"
    script:
        "../scripts/report.py"
