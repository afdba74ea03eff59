# baseline: what the detectors that users have today give on the same pixels
#
# needs   ingest/<tile>, inject/<tile>, blend/test or blend/real; the source-extractor program for the detectors of that kind
# makes   baseline/<tile>[.injected<draw>].<detector>/<version>/catalogue.parquet  (schema `measurement`)
#         baseline/{test_blends,real_blends}.<detector>/<version>/catalogue.parquet
# steps   one job a tile or chunk of tiles (config: tiles_per_job) and detector; one a detector on each set of test blends


rule baseline:
    input:
        plan.targets("baseline"),
    localrule: True


rule baseline_tile:
    input:
        tile=input_of("baseline", "tile"),
    output:
        catalogue=product_of("baseline", "catalogue.parquet"),
        provenance=product_of("baseline", "provenance.json"),
    log:
        "results/logs/baseline/{name}.{version}.log",
    benchmark:
        "results/benchmarks/baseline/{name}.{version}.tsv"
    wildcard_constraints:
        name=rf"(?!{OF_BLENDS})[A-Za-z0-9][A-Za-z0-9_.-]*",
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        recipe=recipe_of("baseline"),
        failure=failure_of("baseline"),
        code=code_stamp("skymill.detectors.baseline"),
    message:
        "baseline: {wildcards.name}"
    script:
        "../scripts/baseline_tile.py"


rule baseline_blends:
    input:
        stamps=input_of("baseline", "stamps"),
        truth=input_of("baseline", "truth"),
    output:
        catalogue=product_of("baseline", "catalogue.parquet"),
        provenance=product_of("baseline", "provenance.json"),
    log:
        "results/logs/baseline/{name}.{version}.log",
    benchmark:
        "results/benchmarks/baseline/{name}.{version}.tsv"
    wildcard_constraints:
        name=rf"{OF_BLENDS}[A-Za-z0-9_-]+",
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        recipe=recipe_of("baseline"),
        code=code_stamp("skymill.detectors.baseline"),
    message:
        "baseline: {wildcards.name}"
    script:
        "../scripts/baseline_blends.py"


rule baseline_chunk:
    input:
        manifests=manifests_for("baseline"),
        files=files_for("baseline"),
    output:
        manifest=manifest_of("baseline"),
    log:
        "results/logs/baseline/{name}.{version}.log",
    benchmark:
        "results/benchmarks/baseline/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120, each=5),
    params:
        members=members_of("baseline"),
        code=code_stamp("skymill.detectors.baseline"),
    message:
        "baseline: tiles {wildcards.name}"
    script:
        "../scripts/baseline_chunk.py"
