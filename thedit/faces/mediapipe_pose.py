"""MediaPipe's head transform: its canonical face, laid onto the mesh that Face Mesh found."""

import math
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from thedit.faces.mediapipe import task_file

FIELD_OF_VIEW = 63.0  # vertical, degrees: the camera that MediaPipe assumes


def _field(name: str, number: int, kind: str, **more: str) -> dict[str, Any]:
    return {"name": name, "number": number, "type": f"TYPE_{kind}", **more}


_MANY = {"label": "LABEL_REPEATED"}
# What is read of the task file's geometry message: its canonical mesh and the vertices that tell the pose.
GEOMETRY = {
    "name": "geometry.proto",
    "messageType": [
        {"name": "Mesh", "field": [_field("vertices", 3, "FLOAT", **_MANY)]},
        {"name": "Landmark", "field": [_field("vertex", 1, "UINT32"), _field("weight", 2, "FLOAT")]},
        {
            "name": "Geometry",
            "field": [
                _field("mesh", 1, "MESSAGE", typeName=".Mesh"),
                _field("basis", 2, "MESSAGE", typeName=".Landmark", **_MANY),
            ],
        },
    ],
}


def head_rotation(vertices: np.ndarray, width: int, height: int) -> np.ndarray:
    """Rotation (3, 3) from the canonical face (x to the picture's right, y up, z towards the camera) to the camera.

    vertices (478, 3) of `thedit.faces.mediapipe.Mesh` in a picture of width x height; the camera's axes are
    OpenGL's: x right, y up, z backward. Lays the canonical face onto the vertices by weighted Procrustes, after the
    perspective of a 63 degree camera has been taken out of them in two rounds.
    """
    canonical, weight = _canonical()
    near_height = 2 * math.tan(math.radians(FIELD_OF_VIEW) / 2)
    unit = near_height / height  # world units a pixel on the plane at distance 1
    points = vertices[:468] * unit
    points[:, 0] -= near_height * width / height / 2
    points[:, 1] = near_height / 2 - points[:, 1]
    middle = points[:, 2].mean()
    scale, _ = _procrustes(canonical, points * (1, 1, -1), weight)
    for last in (False, True):
        depth = (points[:, 2] - middle + 1) / scale
        seen = np.column_stack([points[:, :2] * depth[:, None], -depth])
        correction, rotation = _procrustes(canonical, seen, weight)
        if not last:
            scale *= correction
    return rotation


def _procrustes(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale and rotation that lay source (N, 3) onto target (N, 3) best, with weight (N,) (Umeyama, 1991)."""
    share = (weight / weight.sum())[:, None]
    source = source - (share * source).sum(0)
    target = target - (share * target).sum(0)
    u, stretch, vt = np.linalg.svd((share * target).T @ source)
    sign = np.array([1, 1, np.linalg.det(u @ vt)])
    return float((stretch * sign).sum() / (share * source**2).sum()), (u * sign) @ vt


@cache
def _canonical() -> tuple[np.ndarray, np.ndarray]:
    """The canonical face (468, 3) and each vertex's weight (468,), from the task file's geometry message."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.ParseDict(GEOMETRY, descriptor_pb2.FileDescriptorProto()))
    geometry = message_factory.GetMessageClass(pool.FindMessageTypeByName("Geometry"))()
    geometry.ParseFromString(task_file("geometry_pipeline_metadata_landmarks.binarypb"))
    weight = np.zeros(468)
    for landmark in geometry.basis:
        weight[landmark.vertex] = landmark.weight
    return np.array(geometry.mesh.vertices, float).reshape(468, 5)[:, :3], weight  # x, y, z, u, v of each vertex
