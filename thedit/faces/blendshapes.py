"""MediaPipe's 52 ARKit blendshapes of its face mesh, run by LiteRT from the Face Landmarker task (Apache-2.0)."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from thedit.faces.mediapipe import Mesh, task_file

# The mesh points that the blendshape network reads, in its order.
POINTS = tuple(
    int(number)
    for number in """0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88
    91 93 95 103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168
    172 173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297
    300 308 310 311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382
    384 385 386 387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476
    477""".split()
)
EYE_CORNERS = (33, 263)  # the picture's left and right outer eye corner


class Blendshapes:
    """The network has no tongueOut, which is 0 here; its first output, neutral, is left out."""

    def __init__(self) -> None:
        self._mesh = Mesh()
        self._network = Interpreter(model_content=task_file("face_blendshapes.tflite"), num_threads=1)
        self._network.allocate_tensors()

    def __call__(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Coefficients (52,). The mesh is found twice: in ``box``, then in its own upright box."""
        first = self._mesh(picture, box)[:, :2]
        (left, right) = first[list(EYE_CORNERS)]
        roll = float(np.degrees(np.arctan2(*(right - left)[::-1])))
        points = self._mesh(picture, np.concatenate([first.min(0), first.max(0)]), roll)[list(POINTS), :2]
        network = self._network
        network.set_tensor(network.get_input_details()[0]["index"], points[None].astype(np.float32))
        network.invoke()
        values = network.get_tensor(network.get_output_details()[0]["index"])
        return np.append(values[1:].astype(np.float64), 0.0)
