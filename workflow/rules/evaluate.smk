rule evaluate:
    input:
        config=ancient(ROOT + "/config.json"),
        plan=ancient(ROOT + "/plan.json"),
        data=ROOT + "/{dataset}/data.npz",
        checkpoint=RUN + "/checkpoint.pt",
    output:
        RUN + "/metrics.json",
        RUN + "/nats.npz",
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
