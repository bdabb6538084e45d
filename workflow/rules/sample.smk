rule sample:
    input:
        config=ancient(ROOT + "/config.json"),
        checkpoint=RUN + "/checkpoint.pt",
    output:
        RUN + "/samples.npz",
        RUN + "/samples.png",
    log:
        ROOT + "/logs/sample-{dataset}-{variant}-seed{seed}.log",
    threads: threads_of_a_run()
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        images=BENCHMARK.sampling.images,
    shell:
        "exec {PIXELCNN} sample {input.config} --dataset {wildcards.dataset}"
        " --variant {wildcards.variant} --seed {wildcards.seed} --threads {threads}"
        " -n {params.images} > {log} 2>&1"
