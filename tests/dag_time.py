"""How long the workflow takes to plan a run on a data set of the size of VoxCeleb2, of whose files one byte is there.

    python tests/dag_time.py FOLDER [PEOPLE]

makes the files in FOLDER unless they are there (6,112 people have 1.1 million: 4.5 GB), and prints the CPU seconds of
listing them and of a dry run in which preprocessing is divided into jobs of four hours.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
VIDEOS, UTTERANCES = 24, 7.5  # of a person, of a video
CONFIG = """
run: million
data: {name: voxceleb2, spec: data/voxceleb2.yaml, preprocess: {frames_per_shard: 20000}}
part_minutes: 240
"""


def make(folder, people):
    """The workflow, and the files of so many ``people``, about a fiftieth of them for testing."""
    for name in ("workflow", "config"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    shutil.copy(ROOT / "environment.yml", folder)
    (folder / "million.yaml").write_text(CONFIG)
    for person in range(people):
        split = "test" if person % 50 == 0 else "dev"
        for video in range(VIDEOS):
            clips = folder / f"data/voxceleb2/{split}/mp4/id{person:05d}/video-{video:02d}-{person:05d}"
            if clips.is_dir():
                continue
            clips.mkdir(parents=True)
            for number in range(int(UTTERANCES + video % 2 / 2)):
                (clips / f"{number:05d}.mp4").write_bytes(b"x")


def seconds(command, folder):
    """CPU seconds of a command and what it printed."""
    before, began = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    spent = os.times()
    cpu = spent.children_user + spent.children_system - before.children_user - before.children_system
    return cpu, time.monotonic() - began, done.stdout


LIST = "from thedit.video.spec import collect, load; print(len(collect(load('data/voxceleb2.yaml'), 'x').sources))"

if __name__ == "__main__":
    place = Path(sys.argv[1])
    make(place, int(sys.argv[2]) if len(sys.argv) > 2 else 6112)
    cpu, wall, said = seconds([sys.executable, "-c", LIST], place)
    print(f"listing {said.strip()} files: {cpu:.0f} s CPU, {wall:.0f} s")
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "million.yaml", "--dry-run"]
    cpu, wall, said = seconds([*snakemake, "--quiet", "reason"], place)
    total = next(line.split()[1] for line in said.splitlines() if line.startswith("total"))
    print(f"a dry run of {total} jobs: {cpu:.0f} s CPU, {wall:.0f} s")
