"""Whether face tools see AnnyHeads as faces, and as different people; and how fast frames are made."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from thedit import camera, config
from thedit.heads import motion, people, scene
from thedit.heads.assets import Assets
from thedit.heads.renderer import Renderer

PEOPLE = 40
FRAMES = 6
FRONTAL = 30.0  # degrees of yaw within which the detector has to find the face


def check(assets: Assets, heads: config.Heads) -> list[dict[str, Any]]:
    """Rows of ``measure, value, goal, n`` for 40 people, 6 frames each, each frame with its own light and motion.

    detected: share of frames within 30 degrees of yaw in which dlib's HOG detector finds a face (one upsampling below
    480 pixels). auc: probability that two frames of one person are nearer in dlib's 128-d embedding than two frames of
    different people. frames_per_core_second: pictures with all maps a second of processor
    time, with a figure's making spread over the frames that the data set has of a person; compilation left out.
    """
    detector, predictor, embedder = _models()
    renderer = Renderer(assets, heads.size)
    found, embeddings, owner = [], [], []
    seconds = np.zeros((PEOPLE, FRAMES))
    sampled = people.sample(assets, heads.seed, PEOPLE, "train")
    for index, person in enumerate(tqdm(sampled, unit="person", desc="check")):
        for number in range(FRAMES):
            generator = np.random.default_rng([person.seed, number])
            light, moves = scene.sample(generator), motion.animate(generator, 1)
            began = time.process_time()
            image = renderer.render(person, moves.expression, moves.camera, light, maps=heads.size).image[0]
            seconds[index, number] = time.process_time() - began
            yaw = float(camera.angles(camera.split(moves.camera)[0])[0, 0])
            if abs(yaw) > FRONTAL:
                continue
            faces = detector(image, 1 if heads.size < 480 else 0)
            found.append(len(faces) > 0)
            if faces:
                shape = predictor(image, max(faces, key=lambda face: face.area()))
                embeddings.append(np.array(embedder.compute_face_descriptor(image, shape)))
                owner.append(person.name)
    frame = seconds[:, 1:].mean()
    figure = seconds[1:, 0].mean() - frame
    rate = 1 / (frame + figure / (heads.clips_per_person * heads.frames_per_clip))
    return [
        {"measure": "detected", "value": float(np.mean(found)), "goal": 0.97, "n": len(found)},
        {"measure": "auc", "value": _auc(np.stack(embeddings), np.array(owner)), "goal": 0.98, "n": len(owner)},
        {"measure": "frames_per_core_second", "value": rate, "goal": 4.0, "n": PEOPLE * FRAMES},
    ]


def _auc(embeddings: NDArray[np.floating], owner: NDArray[np.str_]) -> float:
    """Area under the ROC curve of the distance as a sign of two frames showing different people."""
    from scipy.stats import rankdata

    first, second = np.triu_indices(len(owner), 1)
    distance = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    same = owner[first] == owner[second]
    ranks = rankdata(distance)
    positives = (~same).sum()
    return float((ranks[~same].sum() - positives * (positives + 1) / 2) / (positives * same.sum()))


def _models() -> tuple[Any, Any, Any]:
    spec = find_spec("face_recognition_models")
    assert spec and spec.origin, "face-recognition-models is a dependency of this package"
    folder = Path(spec.origin).parent / "models"
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat")),
        dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")),
    )
