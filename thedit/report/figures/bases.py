"""The plane dictionary: what each basis is, and what it does to a face."""

import matplotlib
import numpy as np
import torch
from torch import Tensor

from thedit.evaluation.predict import to_uint8
from thedit.methods.motion import Motion
from thedit.methods.planedict import PlaneDict
from thedit.model.dictionary import PlaneDictionary
from thedit.report.figures.examples import Examples
from thedit.report.figures.grid import Grid
from thedit.report.figures.sheet import Sheet, nothing

SIGMAS = 2.0


@torch.no_grad()
def show(examples: Examples, most: int = 10) -> Sheet:
    """Columns are bases. Rows: how far the basis moves XY, XZ and YZ over the test frames; a face with it moved.

    The face is moved along the main direction in which the factors of the basis vary, by `SIGMAS` standard deviations.
    """
    method = examples.method
    if not (isinstance(method, PlaneDict) and isinstance(method.network.motion, PlaneDictionary)):
        return nothing(f"{examples.name} has no plane dictionary")
    dictionary = method.network.motion
    device = next(method.parameters()).device
    rows = np.concatenate([clip for person in examples.clips for clip in person])
    rows = rows[np.linspace(0, len(rows) - 1, min(64, len(rows))).astype(int)]
    source = examples.sources(1)[0]
    code = method.encode(examples.store.batch([source]).to(device))
    view = torch.from_numpy(examples.store.column("camera")[[source]]).to(device)
    motions = [method.motion_of(code, examples.store.batch([row]).to(device)) for row in rows]
    factors = torch.cat([motion.factors for motion in motions])  # (F, N, U, U)
    bases = dictionary.bases()  # (U, U, C, N)
    count = min(most, bases.shape[-1])
    spread = factors.std(dim=0).permute(1, 2, 0)  # (U, U, N)
    sizes = bases.unflatten(2, (3, -1)).norm(dim=3) * spread.unsqueeze(2)  # (U, U, 3, N)

    middle = factors.mean(dim=0, keepdim=True)  # (1, N, U, U)
    style = torch.cat([motion.style for motion in motions]).mean(dim=0, keepdim=True)

    def face(moved: Tensor) -> np.ndarray:
        return to_uint8(method.show(code, Motion(moved, style), view)[0])

    columns = []
    for n in range(count):
        direction = torch.zeros_like(middle)
        direction[0, n] = _main_direction(factors[:, n])
        lowered, raised = face(middle - SIGMAS * direction), face(middle + SIGMAS * direction)
        change = np.abs(raised.astype(float) - lowered).mean(axis=-1)  # (S, S)
        maps = [_heat(sizes[:, :, plane, n].cpu().numpy(), 0.0, float(sizes[..., :count].max())) for plane in range(3)]
        columns.append([*maps, lowered, raised, change])
    strongest = max(float(column[-1].max()) for column in columns) or 1.0
    for column in columns:
        column[-1] = _heat(column[-1], 0.0, strongest)
    grid = Grid(
        columns=[f"B{n + 1}" for n in range(count)],
        rows=["plane XY", "plane XZ", "plane YZ", f"−{SIGMAS:g} σ", f"+{SIGMAS:g} σ", "difference"],
        cell=104,
        heading=90,
        row_breaks=[3],
    )
    return Sheet([grid], [[[list(row) for row in zip(*columns)]]])


def _main_direction(factors: Tensor) -> Tensor:
    """The first principal component of factor maps (F, U, U), times its standard deviation: (U, U)."""
    centred = (factors - factors.mean(dim=0)).flatten(1)  # (F, U*U)
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    return (directions[0] * values[0] / max(1, len(factors) - 1) ** 0.5).unflatten(0, factors.shape[1:])


def _heat(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values (H, W) as colours (H, W, 3) uint8."""
    scaled = (values - low) / (high - low)
    return (matplotlib.colormaps["magma"](scaled.clip(0, 1))[..., :3] * 255).astype(np.uint8)
