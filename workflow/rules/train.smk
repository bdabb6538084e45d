def run_of(wildcards):
    return RUNS[f"{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed}"]


def model_file(wildcards):
    """An architecture in the user's own file is an input: an edit trains its runs anew."""
    model = run_of(wildcards).variant.model
    return [model] if model.endswith(".py") else []


def gpus_here():
    """How many GPUs the benchmark may use on this machine, without importing torch to ask."""
    if BENCHMARK.device == "cpu":
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(name.strip() not in ("", "-1") for name in visible.split(","))
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


# A job that uses a GPU counts as one place on it; which GPU it gets, it claims itself.
GPUS = gpus_here()
GPU_OF_A_JOB = 1 if GPUS or BENCHMARK.device == "cuda" else 0
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS * BENCHMARK.runs_per_gpu)


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
    threads: BENCHMARK.threads
    resources:
        mem_mb=4000,
        runtime=720,
        gpu=GPU_OF_A_JOB,
    params:
        # All that decides the result, and nothing else: the reason to train anew.
        digest=lambda wildcards: run_of(wildcards).digest,
    shell:
        "exec {PIXELCNN} train {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " --digest {params.digest} > {log} 2>&1"
