# evaluate: the networks measure the test blends, at the galaxies' true positions
#
# needs   train/<model> and blend/test, blend/real
# makes   evaluate/{test_blends,real_blends}.<model>/<version>/catalogue.parquet  one row a galaxy (schema `measurement`)
# steps   one job a model and set of blends


rule evaluate:
    input:
        plan.targets("evaluate"),
    localrule: True


rule evaluate_model:
    input:
        weights=input_of("evaluate", "weights"),
        card=input_of("evaluate", "card"),
        stamps=input_of("evaluate", "stamps"),
        truth=input_of("evaluate", "truth"),
    output:
        catalogue=product_of("evaluate", "catalogue.parquet"),
        provenance=product_of("evaluate", "provenance.json"),
    log:
        "results/logs/evaluate/{name}.{version}.log",
    benchmark:
        "results/benchmarks/evaluate/{name}.{version}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("evaluate"),
        code=code_stamp("skymill.detectors.evaluate"),
    message:
        "evaluate: {wildcards.name}"
    script:
        "../scripts/evaluate_model.py"
