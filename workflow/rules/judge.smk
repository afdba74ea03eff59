# judge: what a network draws beside real galaxies, and what its anomaly scores tell apart
#
# needs   generator/<name> that this run trains, simulate/<population> that it learned from, blend/test; with
#         `halves`, generator/<name>.half1 and .half2
# makes   judge/<name>/<version>/metrics.json, curves.json, samples.png, interpolations.png, traversals.png, plane.png
# steps   one job a network


rule judge:
    input:
        plan.targets("judge"),
    localrule: True


rule judge_generator:
    input:
        weights=input_of("judge", "weights"),
        card=input_of("judge", "card"),
        stamps=input_of("judge", "stamps"),
        truth=input_of("judge", "truth"),
        blend_stamps=input_of("judge", "blend_stamps"),
        blend_truth=input_of("judge", "blend_truth"),
        half_weights=input_of("judge", "half_weights"),
        half_cards=input_of("judge", "half_card"),
    output:
        metrics=product_of("judge", "metrics.json"),
        curves=product_of("judge", "curves.json"),
        samples=product_of("judge", "samples.png"),
        interpolations=product_of("judge", "interpolations.png"),
        traversals=product_of("judge", "traversals.png"),
        plane=product_of("judge", "plane.png"),
        provenance=product_of("judge", "provenance.json"),
    log:
        "results/logs/judge/{name}.{version}.log",
    benchmark:
        "results/benchmarks/judge/{name}.{version}.tsv"
    conda:
        "../../envs/generator.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("judge"),
        folder=folder_of("judge"),
        code=code_stamp("skymill.inference.judge"),
    message:
        "judge: what generator {wildcards.name} draws"
    script:
        "../scripts/judge_generator.py"
