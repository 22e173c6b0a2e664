# Checkpoints and previews are left out of the outputs: an interrupted training resumes from them.
# A cluster's SIGTERM reaches tee too, which must outlive what the training says.
rule train:
    input:
        frames=f"{DATA}/qa.parquet",
    output:
        ensure(f"{RUN}/methods/{{method}}/weights.safetensors", non_empty=True),
        f"{RUN}/methods/{{method}}/log.parquet",
    log:
        f"logs/train/{settings.run}-{{method}}.log",
    benchmark:
        f"logs/train/{settings.run}-{{method}}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 1  # two trainings side by side are faster than one after the other on two cores
    resources:
        gpu=1,  # more of one machine share the batches: --set-resources train:gpu=4
        mem_mb=memory(8000),
        runtime=training_minutes,
    params:
        config=CONFIG,
        options=digest([settings.train.model_dump(), settings.seed]),
        code=code("thedit.cli.train"),
        method=method_code,
    shell:
        "exec thedit train --config {params.config} --method {wildcards.method} --processes {resources.gpu}"
        " 2> >(trap '' TERM; tee {log} >&2)"
