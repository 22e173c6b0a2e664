# Jobs that share a stage, where the configuration's part_minutes divides it: each does the part {part} of the work. The
# stage itself comes after them, finds it done, and writes its tables (thedit/parts.py).


use rule heads_render as heads_render_part with:
    input:
        assets="data/assets/heads.safetensors",
    output:
        temp(touch(f"{DATA}/.parts/heads_render/{{part}}")),
    log:
        f"logs/heads_render/{settings.data.name}.{{part}}.log",
    benchmark:
        f"logs/heads_render/{settings.data.name}.{{part}}.benchmark.tsv"
    threads: RENDER.threads
    resources:
        gpu=1,
        mem_mb=memory(2000, worker=1500),
        runtime=part_minutes,
    params:
        part="--part {part}",


# The one job that looks at the user's files: on a million of them, what every part would spend its time with.
use rule preprocess as preprocess_plan with:
    input:
        sheet=sheet(),
        spec=str(shipped.find(settings.data.spec)),
    output:
        temp(f"{DATA}/preprocess.plan"),
    log:
        f"logs/preprocess/{settings.data.name}.plan.log",
    benchmark:
        f"logs/preprocess/{settings.data.name}.plan.benchmark.tsv"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=PREPROCESS.minutes,
    params:
        part="--plan",


use rule preprocess as preprocess_part with:
    input:
        assets="data/assets/heads.safetensors",
        plan=f"{DATA}/preprocess.plan",
    output:
        temp(touch(f"{DATA}/.parts/preprocess/{{part}}")),
    log:
        f"logs/preprocess/{settings.data.name}.{{part}}.log",
    benchmark:
        f"logs/preprocess/{settings.data.name}.{{part}}.benchmark.tsv"
    threads: PREPROCESS.threads
    resources:
        mem_mb=memory(3000, worker=1500),
        runtime=part_minutes,
    params:
        videos="",
        part="--part {part}",


use rule predict as predict_part with:
    input:
        pairs=rules.pairs.output,
        weights=weights,
    output:
        temp(touch(f"{RUN}/.parts/predict/{{method}}-{{protocol}}/{{part}}")),
    log:
        f"logs/predict/{settings.run}-{{method}}-{{protocol}}.{{part}}.log",
    benchmark:
        f"logs/predict/{settings.run}-{{method}}-{{protocol}}.{{part}}.benchmark.tsv"
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=part_minutes,
    params:
        part="--part {part}",


use rule score as score_part with:
    input:
        predictions=rules.predict.output,
        pairs=rules.pairs.output,
    output:
        temp(touch(f"{RUN}/.parts/score/{{method}}-{{protocol}}/{{part}}")),
    log:
        f"logs/score/{settings.run}-{{method}}-{{protocol}}.{{part}}.log",
    benchmark:
        f"logs/score/{settings.run}-{{method}}-{{protocol}}.{{part}}.benchmark.tsv"
    resources:
        gpu=1,
        mem_mb=memory(6000),
        runtime=part_minutes,
    params:
        part="--part {part}",
