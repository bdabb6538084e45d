def model_file(wildcards):
    """An architecture in the user's own file is an input: an edit trains its runs anew."""
    model = run_of(wildcards).variant.model
    return [model] if model.endswith(".py") else []


def training_is_current(wildcards):
    spec = run_of(wildcards)
    return freshness.training_is_current(BENCHMARK.run_directory(spec), spec)


rule train:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("train", training_is_current),
        data=ROOT + "/{dataset}/data.npz",
        model=model_file,
    output:
        RUN + "/checkpoint.pt",
    log:
        ROOT + "/logs/train-{dataset}-{variant}-seed{seed}.log",
    # Long jobs first: short ones then fill the cores to the end.
    priority: 10
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("train"),
        runtime=minutes_of("train"),
        gpu=GPUS_OF_A_JOB,
    params:
        # All that decides the result, and nothing else: the reason to train anew.
        digest=lambda wildcards: run_of(wildcards).digest,
    shell:
        "exec {PIXELCNN} train {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " --digest {params.digest} > {log} 2>&1"
