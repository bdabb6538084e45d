def evaluation_is_current(wildcards):
    spec = run_of(wildcards)
    return freshness.evaluation_is_current(BENCHMARK.run_directory(spec), spec)


rule evaluate:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=plan_for("evaluate", evaluation_is_current),
        data=ROOT + "/{dataset}/data.npz",
        checkpoint=RUN + "/checkpoint.pt",
    output:
        RUN + "/metrics.json",
        RUN + "/nats.npz",
        RUN + "/model.safetensors",
    log:
        ROOT + "/logs/evaluate-{dataset}-{variant}-seed{seed}.log",
    threads: BENCHMARK.threads
    resources:
        mem_mb=memory_of("evaluate"),
        runtime=minutes_of("evaluate"),
        gpu=GPUS_OF_A_JOB,
    shell:
        "exec {PIXELCNN} evaluate {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads} > {log} 2>&1"
