rule figures:
    input:
        metrics=rules.aggregate.output.metrics,
        predictions=expand(
            rules.predict.output,
            method=settings.methods,
            protocol=settings.evaluation.protocols,
        ),
        cost=rules.cost.output,
        weights=all_weights(),
    output:
        directory(f"{RUN}/pictures"),
        [
            figure(f"comparison_{question}.png", f"comparison: {question}", "Results", "comparison")
            for question in layout.COMPARED
        ],
        figure("views.png", "quality by the camera's yaw", category="Results"),
        figure("methods.png", "all methods on the same frames"),
        figure("cross_identity.png", "cross-identity reenactment"),
        figure("cross_identity.webp", "cross-identity reenactment, animated"),
        figure("multiview.png", "multi-view synthesis"),
        figure("multiview.webp", "multi-view synthesis, animated"),
        figure("plane_bases.png", "plane bases"),
        figure("training.png", "training", category="Training"),
    log:
        f"logs/figures/{settings.run}.log",
    benchmark:
        f"logs/figures/{settings.run}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=30,
    params:
        config=CONFIG,
        options=digest([settings.methods, settings.evaluation.protocols]),
        code=code("thedit.cli.figures"),
    shell:
        "exec thedit figures --config {params.config} 2> >(tee {log} >&2)"


rule page:
    input:
        rules.figures.output,
        metrics=rules.aggregate.output.metrics,
    output:
        f"{RUN}/report.html",
    log:
        f"logs/page/{settings.run}.log",
    benchmark:
        f"logs/page/{settings.run}.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=30,
    params:
        config=CONFIG,
        options=digest([settings.methods, settings.evaluation.protocols]),
        code=code("thedit.report.page"),
    shell:
        "exec thedit report --config {params.config} 2> >(tee {log} >&2)"


# How each file was made, by Snakemake itself. The whole run, not a part of it that somebody asked for.
onsuccess:
    if all(Path(path).exists() for path in get_final_output()):
        shell(
            f"{sys.executable} -m snakemake --cores 1 --report {RUN}/workflow.html --configfile {RUN}/config.yaml --quiet"
        )
