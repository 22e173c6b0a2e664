"""The DAG: what reruns when an option or a module changes, what a mistake says, and what a kill leaves behind.

The real workflow runs in a copy of the project; in place of the stages a stub called thedit makes empty outputs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from thedit import config, config_text
from thedit.metrics.questions import QUESTIONS

ROOT = Path(__file__).parents[1]
STUB = """#!/bin/sh
# makes the outputs of each stage, in place of thedit
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift ;; --method) method=$2; shift ;; --protocol) protocol=$2; shift ;;
    --config) run=results/test; shift ;; --jobs|--processes) shift ;; --keep-going) ;;
    --part) echo "$stage $method $protocol $2" >> parts.txt; exit ;; --plan) echo made > $out/preprocess.plan; exit ;;
    *) stage="$stage $1" ;;
  esac
  shift
done
make() { for file; do mkdir -p "$(dirname "$file")"; echo made > "$file"; done; }
case "$stage" in
  " heads render") make $out/sheet.csv ;;
  " preprocess") make $out/qa.parquet $out/contact_sheet.png ;;
  " train") make $run/methods/$method/weights.safetensors $run/methods/$method/log.parquet ;;
  " pairs") make $run/protocols/$protocol.parquet ;;
  " predict") make $run/predictions/$method/$protocol/predictions.parquet ;;
  " score") make $run/scores/$method-$protocol.parquet ;;
  " aggregate") for name in frames distances scale status training metrics comparisons views; do
      make $run/$name.parquet; done; make $run/provenance.json ;;
  " cost") make $run/cost.parquet ;;
  " preprocess-check") make data/annyheads-quick/preprocess_check.parquet ;;
  " validity") make $run/validity.parquet $run/figures/validity.png ;;
  " structure") make $run/structure/$method.parquet ;;
  " figures") mkdir -p $run/pictures; for name in FIGURES; do make $run/figures/$name; done ;;
  " report") make $run/report.html ;;
  *) make $out ;;
esac
"""
SETTINGS = {"run": "test", "methods": ["fomm", "copy-source"], "evaluation": {"protocols": ["self", "cross"]}}


def settings(folder, **sections):
    """Write my.yaml: `SETTINGS` with ``sections`` merged into it."""
    values = {
        key: value | sections.pop(key, {}) if isinstance(value, dict) else value for key, value in SETTINGS.items()
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(values | sections))


def snakemake(folder, *arguments, **variables):
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(folder)} | variables
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "my.yaml", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL
    )


def reruns(folder):
    """The jobs that a dry run wants, by rule."""
    result = snakemake(folder, "--dry-run", "--quiet", "reason")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = (result.stdout + result.stderr).splitlines()
    if "Nothing to be done" in "".join(lines):
        return {}
    start = next(number for number, line in enumerate(lines) if line.startswith("job ")) + 2
    pairs = (line.split() for line in lines[start:])
    counts = {}
    for pair in pairs:
        if len(pair) != 2 or pair[0] == "total":
            break
        counts[pair[0]] = int(pair[1])
    counts.pop("all", None)
    return counts


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project in which everything has run once."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("thedit", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pretrained"))
    shutil.copy(ROOT / "environment.yml", folder)
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "annyheads.yaml", folder / "data")
    settings(folder)
    common = (folder / "workflow/rules/report.smk").read_text()
    figures = [part.split('"')[0] for part in common.split('figure("')[1:]]
    figures += [f"comparison_{question}.png" for question in QUESTIONS]
    (folder / "bin").mkdir()
    (folder / "bin/thedit").write_text(STUB.replace("FIGURES", " ".join(figures)))
    (folder / "bin/thedit").chmod(0o755)
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def project(finished):
    """The finished project; changes to its configuration and modules are undone."""
    sources = (path for path in finished.rglob("thedit/**/*") if path.suffix in (".py", ".safetensors"))
    kept = {path: path.read_bytes() for path in sources}
    yield finished
    settings(finished)
    for path, content in kept.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def test_a_second_run_has_nothing_to_do(project):
    assert reruns(project) == {}


SHOWN = {"figures": 1, "page": 1}
SCORING = {"score": 4, "aggregate": 1, **SHOWN}
TWO = {"predict": 2, "score": 2, "aggregate": 1, **SHOWN}
EVALUATION = {"pairs": 2, "predict": 4, **SCORING}
DATA = {"preprocess": 1, "train": 1, "cost": 1, **EVALUATION}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metrics": {"bootstrap": 99}}, {"aggregate": 1, **SHOWN}),
        ({"evaluation": {"frames_per_pair": 3}}, EVALUATION),
        ({"train": {"images": 8}}, {"train": 1, "cost": 1, **TWO}),
        ({"data": {"preprocess": {"size": 32}}}, DATA),
        ({"data": {"heads": {"seed": 1}}}, {"heads_render": 1, **DATA}),
        ({"methods": ["fomm", "copy-source", "copy-driver"]}, {"cost": 1, **TWO}),
        (
            {"metrics": {"validity": True, "structure": ["fomm"]}},
            {"preprocess_check": 1, "validity": 1, "structure": 1},
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_one_option_reruns_what_depends_on_it(project, change, expected):
    settings(project, **change)
    assert reruns(project) == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("thedit/report/figures/__init__.py", SHOWN),
        ("thedit/evaluation/protocols.py", EVALUATION),
        ("thedit/methods/bounds.py", {"cost": 1, **TWO}),
        ("thedit/methods/fomm/__init__.py", {"train": 1, "cost": 1, **TWO}),
        ("thedit/heads/build.py", {"heads_assets": 1, "heads_render": 1, **DATA}),
        ("thedit/fitting/landmarks.safetensors", {"preprocess": 1, "train": 1, "cost": 1, **EVALUATION}),
        ("thedit/bench/__init__.py", {}),
    ],
)
def test_one_module_reruns_what_depends_on_it(project, module, expected):
    with open(project / module, "a") as file:
        file.write("\nCHANGED = True\n")
    assert reruns(project) == expected


def test_sharing_the_work_reruns_nothing(project):
    settings(project, part_minutes=1.6)
    assert reruns(project) == {}


@pytest.mark.parametrize(
    ("minutes", "shared"),
    [
        (100, {}),
        (1.6, {"preprocess_plan": 1, "preprocess_part": 2, "score_part": 8}),
        (
            0.4,
            {"heads_render_part": 4, "preprocess_plan": 1, "preprocess_part": 2, "predict_part": 16, "score_part": 24},
        ),
    ],
)
def test_jobs_take_about_the_minutes_that_are_wanted(project, minutes, shared):
    settings(project, part_minutes=minutes, data={"heads": {"seed": 1}})
    assert reruns(project) == {"heads_render": 1, **DATA, **shared}


def test_a_stage_comes_after_its_parts_and_leaves_nothing_of_them(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    settings(folder, part_minutes=0.4, data={"heads": {"seed": 1}})
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    done = [" ".join(line.split()) for line in (folder / "parts.txt").read_text().splitlines()]
    assert sorted(done)[:5] == [
        *(f"heads render {number}-of-4" for number in range(1, 5)),
        "predict copy-source cross 1-of-4",
    ]
    assert len(done) == len(set(done)) == 4 + 2 + 16 + 24
    assert not [path for path in folder.rglob(".parts/**/*") if path.is_file()] and not list(folder.rglob("*.plan"))
    assert reruns(folder) == {}


def test_a_comment_and_a_docstring_rerun_nothing(project):
    path = project / "thedit/camera.py"
    path.write_text(path.read_text().replace('"""The one camera', '"""This is the one camera') + "\n# a comment\n")
    assert reruns(project) == {}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train": {"step": 5}}, "my.yaml: train.step: unknown key; known keys are"),
        ({"train": {"image": 5}}, "train.image: unknown key; did you mean 'images'?"),
        ({"methods": ["fom"]}, "methods: 'fom' is offered by no installed package; did you mean 'fomm'?"),
        ({"evaluation": {"protocols": ["selfie"]}}, "'selfie' needs the file config/protocols/selfie.yaml"),
        ({"data": {"spec": "data/mine.yaml"}}, "data/mine.yaml: cannot be read"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_sentence(project, change, sentence):
    settings(project, **change)
    result = snakemake(project, "--dry-run")
    assert result.returncode != 0
    assert sentence in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_failing_stage_fails_the_run_and_shows_its_sentence(project):
    stub = project / "bin/thedit"
    kept = stub.read_text()
    stub.write_text("#!/bin/sh\necho 'thedit: the disk is full.' >&2\nexit 2\n")
    settings(project, metrics={"bootstrap": 98})
    result = snakemake(project)
    stub.write_text(kept)
    assert result.returncode != 0
    assert "the disk is full" in result.stdout + result.stderr
    snakemake(project)  # as it was


def test_commands_die_with_a_killed_workflow(project):
    """SIGKILL of snakemake ends the command that it started; the next run finishes without being told anything."""
    stub = project / "bin/thedit"
    kept = stub.read_text()
    waiting = "import time; from thedit.processes import follow; follow(); print(chr(33), flush=True); time.sleep(600)"
    stub.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{waiting}' waiting-for-the-kill\n")
    settings(project, metrics={"bootstrap": 97})  # reruns aggregate
    environment = os.environ | {"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "my.yaml"]
    log = project / "logs/aggregate/test.log"
    log.unlink(missing_ok=True)
    run = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: log.is_file() and "!" in log.read_text())
        second = snakemake(project)
        assert second.returncode != 0
        assert "results/test: another run works in this folder" in second.stdout + second.stderr
        command = find("waiting-for-the-kill", run.pid)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        command.wait(timeout=120)
    finally:
        run.kill()
        stub.write_text(kept)
    result = snakemake(project)
    assert result.returncode == 0, result.stdout + result.stderr


def find(name, parent):
    children = psutil.Process(parent).children(recursive=True)
    return next((child for child in children if name in child.cmdline()), None)


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def test_another_workflow_uses_this_one_as_a_module(project, tmp_path):
    """As snakedeploy writes it: a folder with a configuration of its own, and no copy of the rules or protocols."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(
        'configfile: "my.yaml"\n'
        f'module thedit:\n    snakefile: "{project}/workflow/Snakefile"\n    config: config\n'
        "use rule * from thedit\n"
    )
    (tmp_path / "bin").symlink_to(project / "bin")
    settings(tmp_path)
    result = snakemake(tmp_path, PYTHONPATH=str(project))
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "results/test/metrics.parquet").is_file()
    assert config.load(tmp_path / "results/test/config.yaml").methods == SETTINGS["methods"]


def test_schema_and_default_configuration_are_those_of_the_code():
    """Both are made by commands: thedit config schema, thedit config defaults."""
    assert (ROOT / "workflow/schemas/config.schema.json").read_text() == config_text.schema(config.Config)
    assert (ROOT / "config/config.yaml").read_text() == config_text.commented(config.Config())


def test_a_resolved_configuration_reads_back_as_itself(tmp_path):
    changed = config.Config(run="other", methods=["copy-source"], train=config.Train(learning_rate=2e-4))
    path = tmp_path / "config.yaml"
    path.write_text(config_text.commented(changed))
    assert config.load(path) == changed
