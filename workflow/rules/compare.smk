# compare: catalogues against the truth
#
# needs   all catalogues of the run, the truth of the test blends and injections, the reference catalogues
# makes   compare/<run>/<version>/metrics.json, matched.parquet  (schema `matched`)
# steps   one job


rule compare:
    input:
        plan.targets("compare"),
    localrule: True


rule compare_run:
    input:
        tables=plan.compared(),
    output:
        metrics=product_of("compare", "metrics.json"),
        matched=product_of("compare", "matched.parquet"),
        provenance=product_of("compare", "provenance.json"),
    log:
        "results/logs/compare/{name}.{version}.log",
    benchmark:
        "results/benchmarks/compare/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("compare"),
        inputs=comparisons,
        judged=plan.judged(),
        code=code_stamp("skymill.compare.compare"),
    message:
        "compare: run {wildcards.name}"
    script:
        "../scripts/compare_run.py"
