rule sample:
    input:
        config=ancient(ROOT + "/config.json"),
        checkpoint=RUN + "/checkpoint.pt",
        data=ROOT + "/{dataset}/data.npz",
    output:
        RUN + "/samples.npz",
        RUN + "/samples.png",
        RUN + "/completions.npz",
        RUN + "/completions.png",
    log:
        ROOT + "/logs/sample-{dataset}-{variant}-seed{seed}.log",
    threads: BENCHMARK.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=GPU_OF_A_JOB,
    params:
        sampling=dataclasses.asdict(BENCHMARK.sampling),
    shell:
        "exec {PIXELCNN} sample {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " --also-complete > {log} 2>&1"
