"""Methods with their weights; a file of weights says which method, preset, size and options it belongs to."""

import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import Json, field_validator
from safetensors.torch import save_file
from torch import Tensor

from thedit.config import Landmarks, Positive, Preprocess, Section, parse
from thedit.errors import UserError
from thedit.files import atomic
from thedit.methods import registry
from thedit.methods.base import Method

RENAMED = {"encoder_width": "encoder_channel_base", "width": "channel_base", "limit": "channel_max"}
"""Options as weights from before 30 November 2026 call them."""


class Facts(Section):
    """What the metadata of a file of weights tell of its method."""

    method: str
    preset: str
    size: Positive
    options: Json[dict[str, Any]]
    preprocess: Json[Preprocess] | None = None
    landmarks: Landmarks = "dlib-68"
    pose: Landmarks = "annyheads"

    @field_validator("options")
    @classmethod
    def _present(cls, options: dict[str, Any]) -> dict[str, Any]:
        return {RENAMED.get(name, name): value for name, value in options.items()}

    @property
    def preprocessing(self) -> Preprocess:
        """Of the training; weights older than their section name two networks, and the rest was as it is by default.

        Cameras are fitted whatever the training's were: a user's pictures have no truth.
        """
        known = self.preprocess or Preprocess(size=self.size, landmarks=self.landmarks, pose=self.pose)
        return known.model_copy(update={"camera": "fitted", "size": self.size})


def load(path: Path) -> tuple[Method, Preprocess]:
    """The method that the weights in ``path`` belong to, ready to drive, and the preprocessing that it was trained on.

    The file is data from anywhere: it builds an installed method that is trained, with options of that method's
    `Method.schema`, and nothing larger than the tensors that it holds. Raises `UserError` when it is missing, damaged,
    no method's, or of a method that is not there as it was.
    """
    with opened(path) as file:
        metadata = file.metadata() or {}
    required = [name for name, field in Facts.model_fields.items() if field.is_required()]
    if missing := [name for name in required if name not in metadata]:
        raise UserError(f"{path}: its metadata lack {', '.join(missing)}; use the weights.safetensors of a run.")
    facts = parse({name: text for name, text in metadata.items() if name in Facts.model_fields}, Facts, path)
    try:
        spec = _described(facts)
        with torch.device("meta"):  # shapes without memory
            expected = spec.build(facts.preset, facts.size)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a constructor says of sizes that do not go together
        reason = textwrap.shorten(str(error), 200)
        raise UserError(
            f"{path}: options: make no network ({reason}); use the weights.safetensors of a run."
        ) from error
    _check_shapes(path, expected)
    method = spec.build(facts.preset, facts.size)
    fill(method, path)
    return ready(method), facts.preprocessing


def fill(method: Method, path: Path) -> None:
    """Load weights of any precision; `UserError` if the file is missing, damaged or of another architecture."""
    tensors, _ = _sound(path)
    try:
        method.load_state_dict(tensors)
    except RuntimeError as error:
        reason = textwrap.shorten(str(error), 200)
        raise UserError(f"{path}: does not fit the method ({reason}); train again with this configuration.") from error


def begin(method: Method, path: Path) -> None:
    """Let ``method`` begin its training with weights of the same class, preset and size, `Method.anew` left out.

    Raises `UserError` when they are missing, damaged, or of something else.
    """
    given, metadata = _sound(path)
    tensors = {name: tensor for name, tensor in given.items() if not name.startswith(method.anew)}
    kind = metadata.get("method", "")
    if kind not in registry.names() or registry.find(kind).load_class() is not type(method):
        raise UserError(
            f"--init: {path}: holds weights of '{kind or 'no method'}', from which no {type(method).__name__} can "
            "begin; choose weights of the same model."
        )
    own = {name: value for name, value in method.state_dict().items() if not name.startswith(method.anew)}
    shapes = {
        name: [list(part[name].shape) if name in part else None for part in (tensors, own)] for name in tensors | own
    }
    if wrong := [name for name, (found, wanted) in shapes.items() if found != wanted]:
        found, wanted = shapes[wrong[0]]
        raise UserError(
            f"--init: {path}: {wrong[0]} has shape {found}, not {wanted}; choose weights of the same preset, size and "
            "parts, or correct train.preset."
        )
    method.load_state_dict(tensors, strict=False)


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write weights with ``metadata``, and among these their `digest`."""
    with atomic(path) as sibling:
        save_file(dict(tensors), sibling, {**metadata, "digest": _digest(tensors, metadata)})


def digest(path: Path) -> str:
    """Hex SHA-256 of tensors and `Facts` in a file of weights: the same for the same method, whenever it was trained.

    Raises `UserError` when the file is missing or damaged.
    """
    with opened(path) as file:
        return _digest({name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})


def ready(method: Method) -> Method:
    """``method`` as it is used after training, on the accelerator if there is one."""
    return method.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")


def _sound(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of weights; `UserError` if they are not as they were written, or not finite."""
    with opened(path) as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    if metadata.get("digest", actual := _digest(tensors, metadata)) != actual:
        raise UserError(f"{path}: is damaged, its digest differs; train again or get the file again.")
    if wrong := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{path}: {wrong[0]} holds values that are not finite; train again or use other weights.")
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    state = hashlib.sha256()
    for name in Facts.model_fields:
        if name in metadata:
            state.update(f"{name} {_plain(metadata[name])}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _plain(fact: str) -> str:
    """A fact with the keys of its JSON, if it is any, in order."""
    try:
        return json.dumps(json.loads(fact), sort_keys=True)
    except ValueError:
        return fact


def _described(facts: Facts) -> registry.Spec:
    """The installed spec with the file's options; `UserError` names the first that no file of weights may set."""
    spec = registry.find(facts.method)
    if not spec.trained:
        raise UserError(f"method: '{spec.name}' is not trained, so no weights are its; use those of a trained method.")
    own = {key for key, value in spec.options.items() if facts.options.get(key) == value}
    parse({key: value for key, value in facts.options.items() if key not in own}, spec.load_class().schema, "options")
    return spec.model_copy(update={"options": facts.options})


def _check_shapes(path: Path, expected: Method) -> None:
    """`UserError` unless the file holds exactly the tensors of ``expected``, whose values are not looked at."""
    wanted = {name: list(tensor.shape) for name, tensor in expected.state_dict().items()}
    with opened(path) as file:
        given = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}
    if wrong := sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name)):
        shapes = f"{wrong[0]} is {given.get(wrong[0], 'missing')}, not {wanted.get(wrong[0], 'there')}"
        raise UserError(f"{path}: does not fit the method ({shapes}); use the weights.safetensors of a run.")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file of weights to read from; `UserError` if it is missing or damaged."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
        raise UserError(f"{path}: is no file of weights; name a .safetensors file.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{path}: is missing; train the method with 'thedit train' first.") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path}: is damaged ({error}); delete it and train again.") from error
