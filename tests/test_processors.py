"""The same pictures score the same on processors with other instructions; other rounding is emulated here."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests import video_files

# Numerical libraries choose their code by the processor; these make them choose that of a much older one.
OLDER = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,AVX,FP16,SSE4_2,SSE4_1",
}
TOLERANCE = 1e-4  # relative to a value, or to 1 where it is smaller; docs/metrics/README.md states it


def scored(folder: Path, environment: dict[str, str]) -> pd.DataFrame:
    out = folder / f"out{len(environment)}"
    command = [sys.executable, "-m", "thedit.metrics", "--pred", "pred", "--target", "target", "--jobs", "1"]
    root = str(Path(__file__).parents[1])
    subprocess.run(
        [*command, "--resamples", "10", "--out", str(out)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **environment},
        check=True,
        capture_output=True,
    )
    key = ["metric", "variant", "backend"]
    return pd.read_parquet(out / "metrics.parquet").set_index(key)[["value", "n", "n_failed"]]


def test_scores_do_not_depend_on_the_processor(tmp_path):
    rng = np.random.default_rng(0)
    for number, picture in enumerate(video_files.moving(2)):
        for side, values in (("target", picture), ("pred", picture + rng.integers(-9, 10, picture.shape))):
            path = tmp_path / side / "clip" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(path)
    here, there = scored(tmp_path, {}), scored(tmp_path, OLDER)
    assert here["n_failed"].sum() == 0 and here[["n", "n_failed"]].equals(there[["n", "n_failed"]])
    apart = (here["value"] - there["value"]).abs() / here["value"].abs().clip(lower=1)
    assert apart.max() <= TOLERANCE, apart.sort_values().tail(5).to_string()
