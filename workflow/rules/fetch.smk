# fetch: what is behind the URLs of the tile table
#
# needs   the tile table
# makes   fetch/<file>/<version>/<file>  checksum verified
# steps   one job a file; of tiles in chunks (config: tiles_per_job), one job for the files of a chunk


rule fetch_file:
    output:
        file=product_of("fetch", "{name}"),
        provenance=product_of("fetch", "provenance.json"),
    log:
        "results/logs/fetch/{name}.{version}.log",
    benchmark:
        "results/benchmarks/fetch/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(60),
    params:
        recipe=recipe_of("fetch"),
        failure=failure_of("fetch"),
        code=code_stamp("skymill.ingest.fetch"),
    message:
        "fetch: {wildcards.name}"
    script:
        "../scripts/fetch_file.py"


rule fetch_chunk:
    output:
        manifest=manifest_of("fetch"),
    log:
        "results/logs/fetch/{name}.{version}.log",
    benchmark:
        "results/benchmarks/fetch/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(60, each=1),
    params:
        members=members_of("fetch"),
        code=code_stamp("skymill.ingest.fetch"),
    message:
        "fetch: files of tiles {wildcards.name}"
    script:
        "../scripts/fetch_chunk.py"
