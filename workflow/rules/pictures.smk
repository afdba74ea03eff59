# pictures: networks that draw pictures of 8 bits do so with the galaxies of the test blends
#
# needs   train/<model> whose task is `pictures`, blend/{test,real}; for real noise the tile ingest/<tile>
# makes   pictures/{test_blends,real_blends}.<model>/<version>/metrics.json   how like the true ones they are
#         pictures/{test_blends,real_blends}.<model>/<version>/cases.png      blends from the worst to the best
# steps   one job a model and set of blends


rule pictures:
    input:
        plan.targets("pictures"),
    localrule: True


rule judge_pictures:
    input:
        weights=input_of("pictures", "weights"),
        card=input_of("pictures", "card"),
        stamps=input_of("pictures", "stamps"),
        truth=input_of("pictures", "truth"),
        noise_tile=input_of("pictures", "noise_tile"),
    output:
        metrics=product_of("pictures", "metrics.json"),
        cases=product_of("pictures", "cases.png"),
        provenance=product_of("pictures", "provenance.json"),
    log:
        "results/logs/pictures/{name}.{version}.log",
    benchmark:
        "results/benchmarks/pictures/{name}.{version}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("pictures"),
        folder=folder_of("pictures"),
        code=code_stamp("skymill.inference.pictures"),
    message:
        "pictures: {wildcards.name}"
    script:
        "../scripts/judge_pictures.py"
