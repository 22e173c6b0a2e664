"""Runs LivePortrait (Guo et al., arXiv 2407.03168) on an exchange folder of `thedit.methods.external`.

To be run with the Python of LivePortrait's own environment, in the folder of its checkout, which holds ``src/`` and
``pretrained_weights/``. It needs nothing of this project. The frames are face crops already, so that LivePortrait's
own cropping and pasting back, and the face detector they need, are not used. Motion is absolute and stitched.

Usage: python liveportrait.py EXCHANGE_FOLDER SIZE
"""

import sys
from pathlib import Path

import cv2

sys.path.insert(0, str(Path.cwd()))

from src.config.inference_config import InferenceConfig
from src.live_portrait_wrapper import LivePortraitWrapper
from src.utils.camera import get_rotation_matrix


def main(folder: Path, size: int) -> None:
    """Animate ``folder/source.png`` with ``folder/driving/*.png`` into ``folder/output/*.png``."""
    model = LivePortraitWrapper(inference_cfg=InferenceConfig())
    picture = _read(model, folder / "source.png")
    source = model.get_kp_info(picture)
    features = model.extract_feature_3d(picture)
    source_points = model.transform_keypoint(source)
    for path in sorted((folder / "driving").glob("*.png")):
        driving = model.get_kp_info(_read(model, path))
        rotation = get_rotation_matrix(driving["pitch"], driving["yaw"], driving["roll"])
        shift = driving["t"].clone()
        shift[..., 2] = 0
        points = source["scale"] * (source["kp"] @ rotation + driving["exp"]) + shift
        points = model.stitching(source_points, points)
        result = model.parse_output(model.warp_decode(features, source_points, points)["out"])[0]  # (512, 512, 3) RGB
        result = cv2.resize(result, (size, size), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "output" / path.name), cv2.cvtColor(result, cv2.COLOR_RGB2BGR))


def _read(model: LivePortraitWrapper, path: Path):
    pixels = cv2.imread(str(path))
    assert pixels is not None, f"{path} is no picture"
    pixels = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), (256, 256), interpolation=cv2.INTER_CUBIC)
    return model.prepare_source(pixels)  # (1, 3, 256, 256)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
