# Functions that look up an artifact by a rule's wildcards.
#
# needs   `plan` of common.smk
# makes   functions that the rules name instead of repeating lambdas


def folder_of(stage):
    """Pattern of the folder of a stage's artifacts."""
    return f"{ARTIFACTS}/{stage}/{{name}}/{{version}}"


def product_of(stage, file):
    """Pattern of a file of a stage's artifacts."""
    return f"{folder_of(stage)}/{file}"


def recipe_of(stage):
    """Recipe of the artifact that a job makes, for its params."""

    def recipe(wildcards):
        return plan.artifact(stage, wildcards.name, wildcards.version).recipe.to_dict()

    return recipe


def input_of(stage, role):
    """File that a job reads in one role."""

    def path(wildcards):
        artifact = plan.artifact(stage, wildcards.name, wildcards.version)
        return artifact.inputs.get(role, [])

    return path


def made_for(stage, role):
    """The same where it may be an outside file, which a job gets by `outside_of`: then there is none."""

    def path(wildcards):
        artifact = plan.artifact(stage, wildcards.name, wildcards.version)
        return [] if role in artifact.outside() else artifact.inputs.get(role, [])

    return path


def outside_of(stage):
    """Files of the user, by role. Snakemake does not look at them, as they count by content, which is in the version,
    may have any name, and fail alone where they are not there. It keeps no note of them, as this asks for `input`.
    """

    def paths(wildcards, input):
        return plan.artifact(stage, wildcards.name, wildcards.version).outside()

    return paths


def failure_of(stage):
    """Where a job leaves the reason why it failed, for `leave_out_failed` and the report."""
    return f"{FAILURES}/{stage}/{{name}}.{{version}}.txt"


def shards_of(stage, suffix):
    """Shards that are tied together as one artifact."""

    def paths(wildcards):
        return plan.artifact(stage, wildcards.name, wildcards.version).shard_files(
            suffix
        )

    return paths


def growing(amount, each=0):
    """Resource of which each attempt of a job asks for as much again: a job that was too big gets through.

    A chunk asks for `each` more for every tile.
    """

    def value(wildcards, attempt):
        return (amount + each * plan.chunks.size) * attempt

    return value


def one_of(names):
    """Pattern that matches these names and no others."""
    return "|".join(re.escape(name) for name in names) or r"(?!)"


def execution_of(key, default=None):
    """Setting of how a model's training is executed, as a resource: a number or text."""

    def value(wildcards):
        networks = run_config.trained() | run_config.trained_finders()
        networks |= run_config.generators | run_config.half_generators()
        networks |= run_config.restorers
        found = getattr(networks[wildcards.name].training, key)
        found = default if found is None else found
        return found if isinstance(found, int) else str(found)

    return value


def comparisons(wildcards, input):
    """What is compared."""
    return Later(plan.comparisons)


def described(wildcards, input):
    """The run as the report shows it."""
    return Later(plan.described)
