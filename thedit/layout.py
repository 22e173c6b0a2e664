"""Where the files of a run lie, relative to the project's root."""

from pathlib import Path

from thedit.config import Config

# What the comparison of methods asks, a figure each: the keys of `thedit.metrics.questions.QUESTIONS`, without torch.
COMPARED = ("identity", "expression", "pose", "picture", "clip")


def data(config: Config) -> Path:
    """Videos, ground truth and shards."""
    return Path("data") / config.data.name


def recorded(clip: str) -> str:
    """The recorded clip that a clip of the shards was cut from: a face lost for a while makes `00.0` of `00`."""
    return clip.partition(".")[0]


def truth(data: Path, clip: str) -> Path:
    """AnnyHeads' ground truth of a clip of the shards, as in `test-0002/01`."""
    return data / "truth" / f"{recorded(clip)}.parquet"


def shards(config: Config) -> Path:
    """The preprocessed frames."""
    return data(config) / "shards"


def run(config: Config) -> Path:
    """Everything that the run makes."""
    return Path("results") / config.run


def pairs(config: Config, protocol: str) -> Path:
    """Which frames a protocol wants."""
    return run(config) / "protocols" / f"{protocol}.parquet"


def predictions(config: Config, method: str, protocol: str) -> Path:
    """The frames that a method made of a protocol."""
    return run(config) / "predictions" / method / protocol


def scores(config: Config, method: str, protocol: str) -> Path:
    """What was measured of those frames."""
    return run(config) / "scores" / f"{method}-{protocol}.parquet"


def measured(config: Config) -> Path:
    """What the networks said about single pictures of the run."""
    return run(config) / "scores" / "cache"


def weights(config: Config, method: str) -> Path:
    """What training leaves of a method."""
    return run(config) / "methods" / method / "weights.safetensors"
