def samples_are_current(wildcards):
    spec = run_of(wildcards)
    return freshness.samples_are_current(
        BENCHMARK.run_directory(spec), spec, BENCHMARK.sampling
    )


rule sample:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("sample", samples_are_current),
        checkpoint=RUN + "/checkpoint.pt",
        data=ROOT + "/{dataset}/data.npz",
    output:
        RUN + "/samples.npz",
        RUN + "/samples.png",
        RUN + "/completions.npz",
        RUN + "/completions.png",
        RUN + "/sampled.json",
    log:
        ROOT + "/logs/sample-{dataset}-{variant}-seed{seed}.log",
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("sample"),
        runtime=minutes_of("sample"),
        gpu=GPUS_OF_A_JOB,
    params:
        sampling=dataclasses.asdict(BENCHMARK.sampling),
    shell:
        "exec {PIXELCNN} sample {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " --also-complete > {log} 2>&1"
