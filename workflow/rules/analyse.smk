# What needs the trained models to be looked at: a classifier a dataset, an analysis a run, a cost a variant.
def classifier_is_current(wildcards):
    return freshness.classifier_is_current(BENCHMARK, wildcards.dataset)


def analysis_is_current(wildcards):
    spec = run_of(wildcards)
    return freshness.analysis_is_current(
        BENCHMARK.run_directory(spec), spec, BENCHMARK.analysis
    )


def cost_is_current(wildcards):
    return freshness.cost_is_current(BENCHMARK, wildcards.dataset, wildcards.variant)


def classifiers_of(specs):
    """The classifiers that judge samples of these runs; an unconditional run needs none."""
    judged = {spec.dataset_name for spec in specs if spec.variant.conditional}
    return [str(BENCHMARK.classifier_file(dataset)) for dataset in sorted(judged)]


def costs():
    """What every variant costs."""
    return [
        str(BENCHMARK.cost_file(dataset, variant))
        for dataset in BENCHMARK.datasets
        for variant in BENCHMARK.variants
    ]


rule classify:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("classify", classifier_is_current),
        data=ROOT + "/{dataset}/data.npz",
    output:
        ROOT + "/{dataset}/classifier.pt",
        ROOT + "/{dataset}/classifier.json",
    log:
        ROOT + "/logs/classify-{dataset}.log",
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("classify"),
        runtime=minutes_of("classify"),
        gpu=GPUS_OF_A_JOB,
    shell:
        "exec {PIXELCNN} classify {input.config} --dataset {wildcards.dataset}"
        " --threads {threads} > {log} 2>&1"


rule analyse:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("analyse", analysis_is_current),
        data=ROOT + "/{dataset}/data.npz",
        checkpoint=RUN + "/checkpoint.pt",
        samples=RUN + "/samples.npz",
        classifier=lambda wildcards: classifiers_of([run_of(wildcards)]),
    output:
        RUN + "/analysis.json",
        RUN + "/analysis.npz",
    log:
        ROOT + "/logs/analyse-{dataset}-{variant}-seed{seed}.log",
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("analyse"),
        runtime=minutes_of("analyse"),
        gpu=GPUS_OF_A_JOB,
    params:
        analysis=lambda wildcards: freshness.analysis_settings(
            run_of(wildcards), BENCHMARK.analysis
        ),
    shell:
        "exec {PIXELCNN} analyse {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads} > {log} 2>&1"


def measured_run(wildcards):
    names = wildcards.dataset, wildcards.variant
    return BENCHMARK.run(*names, freshness.measured_seed(BENCHMARK, *names))


def trained_first(wildcards):
    """The checkpoint that a variant is measured by: that of one seed, or the mark of the pack that has it.

    A mark is `ancient`: turning packing on makes it anew without training anything. A variant that was trained
    anew is seen by `cost_is_current`.
    """
    spec = measured_run(wildcards)
    if PER_PACK == 1:
        return f"{BENCHMARK.run_directory(spec)}/checkpoint.pt"
    return ancient(mark_of(spec))


def cores_of_a_measurement(wildcards):
    return workflow.cores if workflow.local_exec else BENCHMARK.threads


rule measure:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("measure", cost_is_current),
        data=ROOT + "/{dataset}/data.npz",
        trained=trained_first,
    output:
        ROOT + "/{dataset}/{variant}/cost.json",
    log:
        ROOT + "/logs/measure-{dataset}-{variant}.log",
    # On one machine it takes every core, so that nothing runs beside it, but computes with no more threads than
    # a training does. A cluster gives it what a run gets; `--exclusive` for this rule is up to the profile.
    threads: cores_of_a_measurement
    resources:
        mem_mb=memory_of("measure"),
        runtime=minutes_of("measure"),
        gpu=GPUS_OF_A_JOB,
    params:
        seed=lambda wildcards: measured_run(wildcards).seed,
        threads=BENCHMARK.threads,
        device=BENCHMARK.device,
    shell:
        "exec {PIXELCNN} measure {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {params.seed} --threads {params.threads} > {log} 2>&1"
