"""Whether a method keeps to the interface: a check that a new method's test calls."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from thedit import camera
from thedit.errors import UserError
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.methods.external import External
from thedit.shards.synthetic import frames, pairs


def check(name: str, preset: str = "tiny", size: int = 64) -> list[str]:
    """Try everything that training and evaluation ask of the method ``name``; returns what was found in order.

    Raises `UserError` that says what is wrong with the first thing that is not.
    """
    spec = registry.find(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = spec.build(preset, size)
    if isinstance(method, External):
        return _check_command(name, method, size)
    trained = any(True for _ in method.parameters())
    if not method.trainable == spec.trained == trained:
        raise UserError(
            f"method {name}: trainable is {method.trainable}, its spec lists {len(spec.presets)} presets and it has "
            f"{'some' if trained else 'no'} parameters; these three must agree."
        )
    found = [_check_losses(name, method, size)] if spec.trained else []
    return [*found, *_check_pictures(name, method.eval(), size)]


def _check_losses(name: str, method: Method, size: int) -> str:
    losses = method.losses(pairs(2, size), 0)
    for key, loss in losses.items():
        if loss.ndim or not loss.isfinite():
            raise UserError(f"method {name}: loss '{key}' is {loss.tolist()}; it must be one finite number.")
    torch.stack(list(losses.values())).sum().backward()
    values = [parameter.grad for parameter in method.parameters() if parameter.grad is not None]
    if not values or not all(value.isfinite().all() for value in values):
        raise UserError(f"method {name}: the gradient of its losses is missing or not finite.")
    return f"losses: {', '.join(losses)}; all finite, and so are their gradients"


@torch.inference_mode()
def _check_pictures(name: str, method: Method, size: int) -> list[str]:
    source, driving = frames(2, size), frames(2, size, seed=1)
    code = method.encode(source)
    picture = method.drive(code, driving, driving.camera)
    _check_picture(name, picture, driving.image)
    if not torch.equal(picture, method.drive(code, driving, driving.camera)):
        raise UserError(f"method {name}: drives the same frames differently the second time; remove what is random.")
    moved = camera.join(camera.orbit(25.0, 0.0), camera.intrinsics()).expand(2, -1)
    obeyed = not torch.equal(picture, method.drive(code, driving, moved))
    if obeyed != method.camera_control:
        raise UserError(
            f"method {name}: camera_control is {method.camera_control}, but the camera is "
            f"{'obeyed' if obeyed else 'ignored'}; correct one of them."
        )
    shape = " x ".join(map(str, picture.shape))
    return [f"pictures: {shape}, in [-1, 1], the same every time", f"camera: {'obeyed' if obeyed else 'ignored'}"]


def _check_picture(name: str, picture: Tensor, like: Tensor) -> None:
    if picture.shape != like.shape:
        raise UserError(f"method {name}: drive made {tuple(picture.shape)}, not {tuple(like.shape)}.")
    if not picture.isfinite().all() or picture.abs().max() > 1:
        raise UserError(f"method {name}: drive made values outside [-1, 1]; end it with tanh or clamp.")


def _check_command(name: str, method: External, size: int) -> list[str]:
    driving = frames(3, size, seed=1)
    with TemporaryDirectory() as folder:
        log = Path(folder) / "command.log"
        result = method.animate(frames(1, size), driving, driving.camera, log)
        said = log.read_text(errors="replace").strip()[-500:]
    for number, frame in enumerate(result.frames):
        if frame.picture is None:
            raise UserError(f"method {name}: frame {number}: {frame.reason}; last words: {said or 'none'}")
    return [f"command: {len(driving)} pictures of side {size} in {result.seconds:.1f} s, exit code {result.exit_code}"]
