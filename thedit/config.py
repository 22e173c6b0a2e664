"""The experiment's configuration: every option, its default, its meaning. Unknown keys are errors.

`workflow/schemas/config.schema.json` is generated from these classes (``thedit config schema``); a test keeps them
equal.
"""

import difflib
import hashlib
import json
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thedit.errors import UserError

Positive = Annotated[int, Field(gt=0)]
S = TypeVar("S", bound="Section")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]  # part of a path, and of a command of the workflow
NonNegative = Annotated[float, Field(ge=0)]
# Networks of `thedit.faces.registry`.
Detector = Literal["dlib-hog", "dlib-hog+cnn", "yunet", "scrfd-10g", "blazeface"]
Landmarks = Literal["dlib-68", "annyheads", "2dfan4", "facemesh-68"]


class Section(BaseModel):
    """A part of the configuration: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Heads(Section):
    """AnnyHeads, the synthetic talking-head data set."""

    train_people: Positive = Field(32, description="people whose clips are trained on")
    test_people: Positive = Field(6, description="people whose clips are only scored, never trained on")
    clips_per_person: Positive = Field(2, description="clips a person, each with its own light and motion")
    frames_per_clip: Positive = Field(16, description="frames a clip")
    stride: Positive = Field(
        1, description="of the 25 frames of motion a second, every so many-th is recorded: 25 / stride frames a second"
    )
    size: Positive = Field(256, description="side of the recorded picture in pixels; 1.75 of a crop's for a sharp one")
    seed: int = Field(0, description="everything of the data set follows from it")


class Preprocess(Section):
    """From video files to training-ready shards."""

    size: Positive = Field(64, description="side of the cropped picture in pixels")
    crop: Literal["fixed", "aligned"] = Field(
        "fixed", description="fixed: one square box a clip (FOMM); aligned: a box that follows the head (EG3D)"
    )
    camera: Literal["fitted", "truth"] = Field(
        "fitted", description="fitted: from 68 landmarks; truth: AnnyHeads' own labels, for checking only"
    )
    detector: Detector = Field("dlib-hog", description="face detector")
    landmarks: Landmarks = Field(
        "dlib-68", description="68-landmark backend of the stored landmarks, the facial parts and the crop's place"
    )
    pose: Landmarks = Field(
        "annyheads", description="68-landmark backend to whose points camera, expression and identity are fitted"
    )
    crop_scale: float = Field(
        1.0,
        gt=0.5,
        description="side of the crop; 1 shows as much as a camera of thedit.camera's radius and focal length",
    )
    min_face: Positive = Field(48, description="smallest face in pixels of the source video")
    min_sharpness: NonNegative = Field(12.0, description="smallest variance of the Laplacian, face at 128 pixels")
    max_yaw: float = Field(75.0, gt=0, le=180, description="largest head yaw in degrees")
    max_pixels: Positive = Field(
        100_000_000, description="most pixels of a picture or frame; what has more is refused by its header"
    )
    frames_per_shard: Positive = Field(1000, description="frames after which a new shard begins")


class Data(Section):
    """Which videos the run is made from."""

    name: str = Field("annyheads-quick", pattern=r"^[A-Za-z0-9_-]+$", description="folder under data/")
    spec: str = Field("data/annyheads.yaml", description="data-set spec: what the videos are and how they split")
    heads: Heads = Heads()
    preprocess: Preprocess = Preprocess()


class Train(Section):
    """The trainer, the same for every method."""

    preset: Literal["tiny", "small", "paper"] = Field("tiny", description="size of every network")
    images: Positive = Field(2400, description="training pairs seen in all")
    hours: float | None = Field(
        None, gt=0, description="device hours after which training ends, however many images are left; null: never"
    )
    batch: Positive = Field(4, description="pairs an optimiser step")
    accumulation_steps: Positive = Field(1, description="parts that a batch is computed in, to save memory")
    augment: bool = Field(True, description="random colours, mirroring and crops, the same for both of a pair")
    learning_rate: float = Field(3e-3, gt=0, description="Adam's step size")
    decay: float = Field(
        0.0, ge=0, le=1, description="last share of the training over which the step size falls linearly to 0; 0: none"
    )
    ema_halflife: Positive = Field(1000, description="half-life of the weights' moving average, in images")
    checkpoint_every: Positive = Field(1000, description="images between checkpoints")
    preview_every: Positive = Field(2000, description="images between preview pictures")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="arithmetic of the forward pass")
    compile: bool = Field(False, description="fuse layers with torch.compile: faster on a GPU after minutes of waiting")


class Evaluation(Section):
    """Which frames are made and scored."""

    protocols: list[Name] = Field(["self", "cross", "multiview"], description="names of files in config/protocols/")
    max_clips: Positive = Field(6, description="test clips a protocol uses, in sorted order")
    frames_per_pair: Positive = Field(8, description="frames of a pair, evenly spread over the driving clip")


class Metrics(Section):
    """How results are scored."""

    suite: Literal["embedded", "paper"] = Field("embedded", description="which networks score")
    backends: dict[str, str] = Field(
        {}, description="other networks for single roles, e.g. {blendshapes: mediapipe-blendshapes}"
    )
    bootstrap: Positive = Field(1000, description="resamples behind a confidence interval, clustered by identity")
    validity: bool = Field(
        False, description="also measure labels and metrics against AnnyHeads' truth: preprocess_check and validity"
    )
    structure: list[Name] = Field(
        [], description="methods of the run whose depth and dense correspondence are measured on AnnyHeads"
    )


class Config(Section):
    """One run: data, methods, training, evaluation."""

    run: str = Field("quick", pattern=r"^[A-Za-z0-9_-]+$", description="folder under results/")
    seed: int = Field(0, description="seed of training and of every random choice after the data set")
    data: Data = Data()
    methods: list[str] = Field(
        ["planedict-dense", "planedict", "copy-source", "copy-driver"],
        description="methods of the comparison, by the name of their spec",
    )
    train: Train = Train()
    evaluation: Evaluation = Evaluation()
    metrics: Metrics = Metrics()
    part_minutes: float | None = Field(
        None,
        gt=0,
        exclude=True,  # from every digest: no result depends on it
        description="rendering, preprocessing, prediction and scoring are shared by jobs of about so long; null: not",
    )


def load(path: str | Path) -> Config:
    """Read and check a YAML config; `UserError` names file, key and remedy."""
    return parse(complete(read(Path(path)), path), Config, path)


def read(path: Path | Traversable, remedy: str = "check the path") -> Any:
    """Plain values of a YAML file, {} of an empty one; `UserError` with the ``remedy`` if it cannot be read."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML ({' '.join(str(error).split())}); correct that line.") from error


def complete(values: Any, origin: str | Path, above: tuple[str, ...] = ()) -> Any:
    """``values`` laid over those of the file that their key ``base`` names, if there is one.

    Sections are merged, anything else replaces what lies below. The file is relative to the current directory, and may
    have a base itself; ``origin`` is the file that an error names, ``above`` the bases that led to it.
    """
    if not isinstance(values, dict) or "base" not in values:
        return values
    own = {key: value for key, value in values.items() if key != "base"}
    base = values["base"]
    if not isinstance(base, str) or base in (*above, str(origin)):
        raise UserError(f"{origin}: base: {base!r} is no file below this one; name the configuration that it changes.")
    return overlay(complete(read(Path(base)), base, (*above, str(origin))), own)


def overlay(below: Any, above: Any) -> Any:
    """``above`` where it says something, ``below`` elsewhere; dictionaries are merged key by key."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: overlay(below.get(key), value) for key, value in above.items()}


def parse(values: Any, section: type[S], origin: str | Path) -> S:
    """Check plain ``values`` against ``section``; ``origin`` is the file that the error names."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{origin}: {_sentence(error, section)}") from error


def digest(value: Any) -> str:
    """Twelve hex digits that change whenever ``value`` (a section, or anything JSON can hold) changes."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _sentence(error: ValidationError, section: type[BaseModel]) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg'].lower()}, not {first['input']!r}; correct the value."
    known = _keys(section, first["loc"][:-1])
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    remedy = f"did you mean '{near[0]}'?" if near else f"known keys are {', '.join(sorted(known))}."
    return f"{key}: unknown key; {remedy}"


def _keys(section: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = section.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        section = annotation
    return list(section.model_fields)
