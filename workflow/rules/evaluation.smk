rule pairs:
    input:
        frames=f"{DATA}/qa.parquet",
        protocol=lambda wildcards: str(protocols.path(wildcards.protocol)),
    output:
        f"{RUN}/protocols/{{protocol}}.parquet",
    log:
        f"logs/pairs/{settings.run}-{{protocol}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(4000),
        runtime=15,
    params:
        config=CONFIG,
        options=digest([settings.evaluation.max_clips, settings.evaluation.frames_per_pair]),
        code=code("thedit.evaluation.pairs"),
    shell:
        "exec thedit pairs --config {params.config} --protocol {wildcards.protocol} > {log} 2>&1"


# The pictures are left out of the outputs: an interrupted job keeps the pairs that it has finished.
# Frames that could not be made are no failure of the job: their rows say why.
rule predict:
    input:
        pairs=f"{RUN}/protocols/{{protocol}}.parquet",
        weights=weights,
        parts=PREDICT.parts(f"{RUN}/.parts/predict/{{method}}-{{protocol}}/{{part}}"),
    output:
        f"{RUN}/predictions/{{method}}/{{protocol}}/predictions.parquet",
    log:
        f"logs/predict/{settings.run}-{{method}}-{{protocol}}.log",
    benchmark:
        f"logs/predict/{settings.run}-{{method}}-{{protocol}}.benchmark.tsv"
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=PREDICT.minutes,
    params:
        config=CONFIG,
        options=digest(settings.train.preset),
        code=code("thedit.evaluation.stage"),
        method=method_code,
        part="",
    shell:
        "exec thedit predict --config {params.config} --method {wildcards.method} --protocol {wildcards.protocol}"
        " --keep-going {params.part} 2> >(tee {log} >&2)"


rule score:
    input:
        predictions=rules.predict.output,
        pairs=rules.pairs.output,
        parts=SCORE.parts(f"{RUN}/.parts/score/{{method}}-{{protocol}}/{{part}}"),
    output:
        f"{RUN}/scores/{{method}}-{{protocol}}.parquet",
    log:
        f"logs/score/{settings.run}-{{method}}-{{protocol}}.log",
    benchmark:
        f"logs/score/{settings.run}-{{method}}-{{protocol}}.benchmark.tsv"
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=SCORE.minutes,
    params:
        config=CONFIG,
        options=digest([settings.metrics.suite, settings.metrics.backends]),
        code=code("thedit.evaluation.score"),
        part="",
    shell:
        "exec thedit score --config {params.config} --method {wildcards.method} --protocol {wildcards.protocol}"
        " {params.part} 2> >(tee {log} >&2)"


rule aggregate:
    input:
        scores=expand(
            rules.score.output,
            method=settings.methods,
            protocol=settings.evaluation.protocols,
        ),
    output:
        record=expand(
            f"{RUN}/{{file}}",
            file=[
                "frames.parquet",
                "distances.parquet",
                "scale.parquet",
                "status.parquet",
                "training.parquet",
                "provenance.json",
            ],
        ),
        metrics=f"{RUN}/metrics.parquet",
        comparisons=f"{RUN}/comparisons.parquet",
        views=f"{RUN}/views.parquet",
    log:
        f"logs/aggregate/{settings.run}.log",
    benchmark:
        f"logs/aggregate/{settings.run}.benchmark.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory(6000),
        runtime=30,
    params:
        config=CONFIG,
        options=digest([settings.metrics.model_dump(exclude={"validity", "structure"}), settings.seed]),
        code=code("thedit.report.artefacts", "thedit.report.derive"),
    shell:
        "exec thedit aggregate --config {params.config} > {log} 2>&1"


# Alone on the machine, so that speeds can be compared.
rule cost:
    input:
        weights=all_weights(),
    output:
        f"{RUN}/cost.parquet",
    log:
        f"logs/cost/{settings.run}.log",
    benchmark:
        f"logs/cost/{settings.run}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: MANY
    resources:
        gpu=1,
        mem_mb=memory(8000),
        runtime=30,
    params:
        config=CONFIG,
        options=digest([settings.methods, settings.train.preset]),
        code=code("thedit.evaluation.cost", *(found.module for found in specs.values())),
    shell:
        "exec thedit cost --config {params.config} 2> >(tee {log} >&2)"


# How well the metrics track the truth, which AnnyHeads alone has; part of a run if metrics.validity says so.
rule validity:
    input:
        frames=f"{DATA}/qa.parquet",
    output:
        table=f"{RUN}/validity.parquet",
        plot=figure("validity.png", "how well the metrics track the truth", category="Results"),
    log:
        f"logs/validity/{settings.run}.log",
    benchmark:
        f"logs/validity/{settings.run}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=minutes("score", frames_rendered),
    params:
        config=CONFIG,
        options=digest([settings.metrics.suite, settings.metrics.backends]),
        code=code("thedit.evaluation.score", "thedit.report.figures.validity"),
    shell:
        "exec thedit validity --config {params.config} 2> >(tee {log} >&2)"


# Depth, dense correspondence and disentanglement inside a method; part of a run if metrics.structure says so.
rule structure:
    input:
        frames=f"{DATA}/qa.parquet",
        pairs=expand(rules.pairs.output, protocol=settings.evaluation.protocols),
        weights=f"{RUN}/methods/{{method}}/weights.safetensors",
    output:
        f"{RUN}/structure/{{method}}.parquet",
    log:
        f"logs/structure/{settings.run}-{{method}}.log",
    benchmark:
        f"logs/structure/{settings.run}-{{method}}.benchmark.tsv"
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        mem_mb=memory(8000),
        runtime=minutes("score", frames_wanted),
    params:
        config=CONFIG,
        options=digest([settings.train.preset, settings.evaluation.protocols]),
        code=code("thedit.evaluation.structure"),
        method=method_code,
    shell:
        "exec thedit structure --config {params.config} --method {wildcards.method} 2> >(tee {log} >&2)"
