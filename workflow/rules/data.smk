rule plan:
    # Checks hyper-parameters and datasets before anything is trained, and writes the config
    # resolved. Later rules read it as `ancient`: what they depend on are their own digests.
    input:
        own_files=sorted(
            {p for spec in RUNS.values() for files in spec.own_files.values() for p in files}
        ),
    output:
        ROOT + "/config.json",
        ROOT + "/plan.json",
    log:
        ROOT + "/logs/plan.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
    params:
        config=json.dumps(BENCHMARK.to_json()),
    script:
        "../scripts/plan.py"


def forced_rules():
    """Rules of `--forcerun`; known once the graph is built, and not in the Snakemakes of its jobs."""
    return set(getattr(workflow.dag_settings, "forcerun", ()))


def plan_for(rule, is_current):
    """The plan as an input of a job: `ancient`, unless what the job made before is of another config.

    An edited config lets `plan` run, and below a job that is to run Snakemake asks neither for changed
    parameters nor for --forcerun: then the plan itself must be the reason.
    """

    def plan(wildcards):
        path = str(BENCHMARK.plan_file)
        keep = rule not in forced_rules() and is_current(wildcards)
        return ancient(path) if keep else path

    return plan


def data_is_current(wildcards):
    return freshness.data_is_current(BENCHMARK, wildcards.dataset)


def source_file(wildcards):
    """A dataset module of the user's own is an input; one of the package is not a file to watch."""
    source = BENCHMARK.datasets[wildcards.dataset].source
    return [source] if source.endswith(".py") else []


rule prepare:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("prepare", data_is_current),
        source=source_file,
    output:
        ROOT + "/{dataset}/data.npz",
    log:
        ROOT + "/logs/prepare-{dataset}.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        digest=lambda wildcards: dataset_digest(BENCHMARK.datasets[wildcards.dataset]),
    shell:
        "exec {PIXELCNN} prepare {input.config} --dataset {wildcards.dataset} > {log} 2>&1"
