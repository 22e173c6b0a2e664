"""The parametric head: shape, identity, blendshapes, topology and landmarks, read from one compact file.

Everything is in the world units and axes of `thedit.camera`. A head with identity coefficients c and expression
coefficients e has the vertices ``mean + c @ identity + e @ blendshapes``. `thedit.heads.build` makes the file.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from thedit.errors import UserError

PATH = Path("data/assets/heads.safetensors")

# ARKit's 52 blendshapes, in the order of every expression vector of this project.
BLENDSHAPES = tuple(
    """browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
    cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
    eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
    jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
    mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight tongueOut""".split()
)

_OTHER_SIDE = {"Left": "Right", "Right": "Left"}
# For each blendshape the place of the one that it is in a mirror.
MIRRORED_BLENDSHAPES = tuple(
    BLENDSHAPES.index(name.removesuffix(side) + _OTHER_SIDE[side]) if side else index
    for index, name in enumerate(BLENDSHAPES)
    for side in [next((side for side in _OTHER_SIDE if name.endswith(side)), "")]
)

# What a triangle is part of. Left and right are the head's own.
PARTS = {"skin": 0, "mouth": 1, "eye_left": 2, "eye_right": 3, "teeth": 4, "tongue": 5, "lashes": 6}

# What a pixel shows: parts (one more than in `PARTS`, 0 is background), strands and what is worn.
LABELS = {"background": 0} | {name: value + 1 for name, value in PARTS.items()}
LABELS |= {"brows": 8, "beard": 9, "hair": 10, "clothes": 11, "accessory": 12}

# What is known about each of the sampled people in `Assets.bank`.
TRAITS = ("female", "age", "weight", "african", "asian", "caucasian")


@dataclass(frozen=True)
class Assets:
    """V vertices, T triangles, K identity components, P sampled people; CPU tensors.

    mean         (V, 3) float32, the mean face at rest; the centroid of its 68 landmarks is `thedit.camera.PIVOT`
    identity     (K, V, 3) float32, displacement for one standard deviation of each component, strongest first
    blendshapes      (52, V, 3) float32, displacement at full activation of each of `BLENDSHAPES`
    triangles    (T, 3) int32, counter-clockwise seen from outside
    uv           (T, 3, 2) float32 in [0, 1], texture coordinates of each triangle's corners, v upwards
    part         (T,) int32, see `PARTS`
    landmarks    (68,) int64, vertices of the iBUG landmarks
    lips         (V,) float32 in [0, 1], the red of the lips
    lids         (V,) float32 in [0, 1], the eyelids
    bank         (P, K) float32, identity coefficients of sampled people
    traits       (P, 6) float32 in [0, 1], see `TRAITS`
    """

    mean: Tensor
    identity: Tensor
    blendshapes: Tensor
    triangles: Tensor
    uv: Tensor
    part: Tensor
    landmarks: Tensor
    lips: Tensor
    lids: Tensor
    bank: Tensor
    traits: Tensor

    def vertices(self, identity: Tensor | None = None, expression: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) of identity coefficients (..., K) and expressions (..., 52); either may be left out.

        Fewer than K identity coefficients leave the others at zero.
        """
        result = self.mean
        if identity is not None:
            result = result + torch.einsum("...k,kvc->...vc", identity, self.identity[: identity.shape[-1]])
        if expression is not None:
            result = result + torch.einsum("...k,kvc->...vc", expression, self.blendshapes)
        return result


def load(path: str | Path = PATH) -> Assets:
    """Read the asset file; `UserError` names the command that builds it when it is missing or broken."""
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: is missing; build it with 'thedit heads assets --out {path}'.") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error}); build it again with 'thedit heads assets'.") from error
    missing = [field.name for field in fields(Assets) if field.name not in tensors]
    if missing:
        raise UserError(f"{path}: {missing[0]}: is missing; build the file again with 'thedit heads assets'.")
    return Assets(
        **{
            field.name: tensors[field.name].float() if tensors[field.name].is_floating_point() else tensors[field.name]
            for field in fields(Assets)
        }
    )
