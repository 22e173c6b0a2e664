rule heads_assets:
    output:
        ensure("data/assets/heads.safetensors", non_empty=True),
    log:
        "logs/heads_assets/heads.log",
    benchmark:
        "logs/heads_assets/heads.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=15,
    params:
        code=code("thedit.heads.build"),
    shell:
        "exec thedit heads assets --out {output} 2> >(tee {log} >&2)"


# Videos and ground truth are left out of the outputs: Snakemake would delete what an interrupted run has finished.
rule heads_render:
    input:
        assets="data/assets/heads.safetensors",
        parts=RENDER.parts(f"{DATA}/.parts/heads_render/{{part}}"),
    output:
        f"{DATA}/sheet.csv",
    log:
        f"logs/heads_render/{settings.data.name}.log",
    benchmark:
        f"logs/heads_render/{settings.data.name}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: MANY
    resources:
        gpu=1,
        mem_mb=memory(2000, worker=1500),
        runtime=RENDER.minutes,
    params:
        config=CONFIG,
        options=digest(settings.data.heads),
        code=code("thedit.cli.heads"),
        folder=lambda wildcards: DATA,
        part="",
    shell:
        "exec thedit heads render --config {params.config} --out {params.folder} --jobs {threads} {params.part}"
        " 2> >(tee {log} >&2)"


rule preprocess:
    input:
        assets="data/assets/heads.safetensors",
        sheet=sheet(),
        spec=str(shipped.find(settings.data.spec)),
        parts=PREPROCESS.parts(f"{DATA}/.parts/preprocess/{{part}}", f"{DATA}/preprocess.plan"),
    output:
        f"{DATA}/qa.parquet",
        report(
            f"{DATA}/contact_sheet.png",
            caption="../report/contact_sheet.rst",
            category="Data",
            labels={"artefact": "contact sheet of the preprocessed clips"},
        ),
    log:
        f"logs/preprocess/{settings.data.name}.log",
    benchmark:
        f"logs/preprocess/{settings.data.name}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: MANY
    resources:
        mem_mb=memory(3000, worker=1500),
        runtime=PREPROCESS.minutes,
    params:
        config=CONFIG,
        options=digest(settings.data.preprocess),
        videos=videos,
        code=code("thedit.cli.preprocess"),
        folder=lambda wildcards: DATA,
        part="",
    shell:
        "exec thedit preprocess --config {params.config} --out {params.folder} --jobs {threads} {params.part}"
        " 2> >(tee {log} >&2)"


# Asked for by name: snakemake preprocess_check
rule preprocess_check:
    input:
        f"{DATA}/qa.parquet",
    output:
        f"{DATA}/preprocess_check.parquet",
    log:
        f"logs/preprocess_check/{settings.data.name}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=minutes("score", frames_rendered),
    params:
        config=CONFIG,
        code=code("thedit.cli.preprocess_check"),
    shell:
        "exec thedit preprocess-check --config {params.config} 2> >(tee {log} >&2)"
