def run_of(wildcards):
    return RUNS[f"{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed}"]


def model_file(wildcards):
    """An architecture in the user's own file is an input: an edit trains its runs anew."""
    model = run_of(wildcards).variant.model
    return [model] if model.endswith(".py") else []


def threads_of_a_run():
    """One GPU takes one job at a time, so there a job that uses it claims every core."""
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*")) and BENCHMARK.device != "cpu"
    return max(workflow.cores or 1, 1) if has_gpu else BENCHMARK.threads


rule train:
    input:
        config=ancient(ROOT + "/config.json"),
        data=ROOT + "/{dataset}/data.npz",
        model=model_file,
    output:
        RUN + "/checkpoint.pt",
    log:
        ROOT + "/logs/train-{dataset}-{variant}-seed{seed}.log",
    # Long jobs first: short ones then fill the cores to the end.
    priority: 10
    threads: threads_of_a_run()
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        # All that decides the result, and nothing else: the reason to train anew.
        digest=lambda wildcards: run_of(wildcards).digest,
    shell:
        "exec {PIXELCNN} train {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " --digest {params.digest} > {log} 2>&1"
