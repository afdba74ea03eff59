# deblend: networks that give images take the central galaxies of the test blends out of them
#
# needs   train/<model> and blend/{test,real}
# makes   deblend/{test_blends,real_blends}.<model>/<version>/deblended.h5     images of the single galaxies, and masks
#         deblend/{test_blends,real_blends}.<model>/<version>/quality.parquet  their errors  (schema `deblended`)
# steps   one job a model and set of blends


rule deblend:
    input:
        plan.targets("deblend"),
    localrule: True


rule deblend_blends:
    input:
        weights=input_of("deblend", "weights"),
        card=input_of("deblend", "card"),
        stamps=input_of("deblend", "stamps"),
        truth=input_of("deblend", "truth"),
    output:
        images=product_of("deblend", "deblended.h5"),
        quality=product_of("deblend", "quality.parquet"),
        provenance=product_of("deblend", "provenance.json"),
    log:
        "results/logs/deblend/{name}.{version}.log",
    benchmark:
        "results/benchmarks/deblend/{name}.{version}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("deblend"),
        code=code_stamp("skymill.detectors.deblend"),
    message:
        "deblend: {wildcards.name}"
    script:
        "../scripts/deblend_blends.py"
