# tally: the job that ties together a stage's chunks of tiles
#
# needs   the manifests of the stage's chunks
# makes   results/chunks/tally/<stage>.<tiles or injected>.<version>.json  every tile's artifact with its checksums
# steps   one job a stage; it fails if a tile did, and says why: everything else has been made by then


rule tally_tiles:
    input:
        manifests=tallied,
    output:
        tally=f"{CHUNKS}/tally/{{stage}}.{{group}}.{{version}}.json",
    log:
        "results/logs/tally/{stage}.{group}.{version}.log",
    benchmark:
        "results/benchmarks/tally/{stage}.{group}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_stamp("skymill.provenance.chunk"),
    message:
        "tally: {wildcards.stage}, {wildcards.group}"
    script:
        "../scripts/tally_tiles.py"
