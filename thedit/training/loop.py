"""The trainer: the same loop for every method that has parameters."""

import copy
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thedit import camera, locks, provenance
from thedit.config import Config, Train, digest
from thedit.errors import UserError
from thedit.files import tidy
from thedit.methods import registry, trained
from thedit.methods.base import Method
from thedit.methods.capture import Capture
from thedit.methods.registry import Spec
from thedit.processes import warned
from thedit.shards.batch import TrainBatch
from thedit.shards.loader import PairLoader
from thedit.shards.sampler import PairSampler
from thedit.shards.store import FrameStore
from thedit.training import checkpoint, preview
from thedit.training.augment import augment
from thedit.training.distributed import Group, Share, group
from thedit.training.gradients import Gradients
from thedit.training.log import Log, check

PREVIEW_PAIRS = 6
BETAS = 0.0, 0.99  # Adam without momentum, as in StyleGAN2 and EG3D, whose layers most methods have
FLUSH_EVERY = 20
NAMED = 3  # of the modules that changed since a checkpoint was written
Resume = Literal["anyway", "restart"]
UNTIED = {"images", "hours", "accumulation_steps", "checkpoint_every", "preview_every"}
"""Options of `Train` that may change between the stretches of one training."""


def train(
    config: Config, name: str, shards: Path, folder: Path, resume: Resume | None = None, init: Path | None = None
) -> None:
    """Train the method ``name`` on ``shards`` until ``config.train.images`` pairs are seen, and write ``folder``.

    It ends earlier when ``config.train.hours`` of all devices together are spent, those before a resumption included.

    ``init`` is a file of weights to begin with.

    Resumes from the last checkpoint that the same method, data and options wrote there; the result is that of an
    undisturbed run. Where other code wrote it, ``resume`` says whether to go on ``anyway``; None is a `UserError` that
    names what changed. ``restart`` begins anew in any case. Batches do not depend on the number of processes. Raises
    `UserError` if ``folder`` is in use.
    """
    spec = registry.find(name)
    if not spec.trained:
        raise UserError(f"method {name}: has nothing to train; remove it from the command.")
    store = FrameStore(shards)
    with group() as processes, locks.held(folder) if processes.first else nullcontext():
        if processes.first:
            tidy(folder)
        Trainer(config, spec, store, folder, processes, resume, init).run()


class Trainer:
    """State of a training: everything that a checkpoint keeps, and how one step changes it."""

    def __init__(
        self,
        config: Config,
        spec: Spec,
        store: FrameStore,
        folder: Path,
        processes: Group,
        resume: Resume | None = None,
        init: Path | None = None,
    ):
        self.config, self.spec, self.store, self.folder, self.processes = config, spec, store, folder, processes
        self.options: Train = config.train
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.method = spec.build(self.options.preset, store.size)
        if init:
            trained.begin(self.method, init)
        self.begun_with = {"init_digest": trained.digest(init)} if init else {}
        self.code = provenance.code(spec.module, __name__)
        self.method.to(processes.device)
        self.average = copy.deepcopy(self.method).eval().requires_grad_(False)
        self._kept, self._new = _values(self.average), _values(self.method)
        self._counts = [*zip(_counts(self.average), _counts(self.method))]
        if self.options.compile:
            for part in self.method.compilable():
                part.compile(dynamic=False)  # once for each size of batch: code for any size is slower
        parameters = [p for p in self.method.parameters() if p.requires_grad]
        self.gradients = Gradients(parameters)
        self.optimiser = torch.optim.Adam(parameters, self.options.learning_rate, BETAS, fused=True)
        self.capture = Capture(self._differentiate) if processes.device.type == "cuda" else None
        self.step, self.seconds = 0, 0.0
        self.spent = 0.0  # share of the device hours
        self.rows: list[dict[str, float]] = []
        if resume != "restart":
            self._resume(anyway=resume == "anyway")

    @property
    def images(self) -> int:
        """Pairs seen."""
        return self.step * self.options.batch

    @property
    def rate(self) -> float:
        """The next step's size: falls to zero over the last share of the pairs, or of the hours if those end first."""
        o = self.options
        left = 1 - max(self.images / o.images, self.spent)
        return o.learning_rate * (min(left / o.decay, 1.0) if o.decay else 1.0)

    def run(self) -> None:
        """Train to the end, then write the weights."""
        o, first = self.options, self.processes.first
        weight = _weight(self.store, self.method.turned) if self.method.turned else None
        sampler = PairSampler(self.store.index, o.batch, self.config.seed, doubles=self.method.doubles, weight=weight)
        loader = iter(PairLoader(self.store, Share(sampler, self.processes), position=self.step))
        log = Log(self.folder, self.rows) if first else None
        bar = tqdm(total=o.images, initial=self.images, desc=f"train {self.spec.name}", unit="image", disable=not first)
        began = time.perf_counter() - self.seconds
        self.spent = self._spent(began) if self.step else 0.0
        with warned() as ending:
            while self.images < o.images and self.spent < 1:
                losses = self.make_step(next(loader).to(self.processes.device))
                if self.step % FLUSH_EVERY == 0:
                    self.spent = self._spent(began)
                bar.update(o.batch)
                if log is None:  # told to end, it waits: the first process keeps the state, and all end with that one
                    continue
                log.add(self.step, self.images, losses)
                if self.step % FLUSH_EVERY == 0:
                    bar.set_postfix(loss=f"{log.flush():.3f}", refresh=False)
                if self._due(o.checkpoint_every) or ending.is_set():
                    log.write()
                    self.seconds = time.perf_counter() - began
                    self.save()
                if ending.is_set():
                    sys.exit(f"thedit: told to end after {self.images} images; the next start goes on from there.")
                if self._due(o.preview_every):
                    self.preview()
        if log is not None:
            log.write()
            log.close()
            self.seconds = time.perf_counter() - began
            self.save()
            checkpoint.export(self.folder / "weights.safetensors", self.average, self._metadata())
        bar.close()

    def make_step(self, batch: TrainBatch) -> dict[str, Tensor]:
        """One optimiser step on this process's share of a batch; returns the weighted losses."""
        torch.manual_seed(self._seed())
        key = self.method.capture_key(self.step) if self.capture else None
        if self.capture and key is not None:  # the next step of this key overwrites its losses
            losses = {name: loss.clone() for name, loss in self.capture(batch, key).items()}
        else:
            losses = self._differentiate(batch)
        if self.processes.size > 1:
            self.gradients.add_up()
        for options in self.optimiser.param_groups:
            options["lr"] = self.rate
        self.optimiser.step()
        self.step += 1
        self._move_average()
        return losses

    def _differentiate(self, batch: TrainBatch) -> dict[str, Tensor]:
        """Losses and this process's part of their gradients; all that a CUDA graph can capture."""
        self.gradients.clear()
        if self.options.augment:
            batch = augment(batch)
        parts = self.options.accumulation_steps
        total: dict[str, Tensor] = {}
        for part in range(parts):
            rows = slice(part, None, parts)
            piece = batch[rows]
            with torch.autocast(batch.source.image.device.type, torch.bfloat16, self.options.precision == "bf16"):
                losses = self.method.losses(piece, self.step)
            losses = {name: loss / parts for name, loss in losses.items()}
            loss = torch.stack(list(losses.values())).sum()
            if loss.device.type == "cpu":  # elsewhere the log finds out, which does not wait for the device
                check(loss.item(), self.step + 1)
            (loss / self.processes.size).backward()
            total = {name: total.get(name, 0) + loss.detach() for name, loss in losses.items()}
        return total

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "code": self.code,
            "step": self.step,
            "seconds": self.seconds,
            "rows": self.rows,
            "method": self.method.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        checkpoint.save(self._checkpoint, state)

    def preview(self) -> None:
        """Write a picture of what the averaged weights do with people of the test split, or else of the training."""
        people = self.store.index.groupby("split")["person"].nunique()
        split = "test" if people.get("test", 0) > 1 else "train"
        rows = PairSampler(self.store.index, PREVIEW_PAIRS, self.config.seed, split)[0]
        batch = self.store.pairs(rows).to(self.processes.device)
        preview.save(self.folder / "previews" / f"{self.images:09d}.png", preview.preview(self.average, batch))

    @property
    def _checkpoint(self) -> Path:
        """Named by all that changes the training itself, but for its length and the code."""
        options = self.options.model_dump(exclude=UNTIED)
        method = [self.spec.implementation, self.spec.options]
        name = digest([method, options, self.config.seed, self.store.digest, *self.begun_with.values()])
        return self.folder / "checkpoints" / f"{name}.pt"

    def _resume(self, anyway: bool) -> None:
        state = checkpoint.load(self._checkpoint)
        if state is None:
            return
        try:
            if (changed := provenance.changed(state["code"], self.code)) and not anyway:
                named = ", ".join(changed[:NAMED])
                named += f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
                raise UserError(
                    f"{self._checkpoint}: was written before {named} changed; go on from its {state['step']} steps "
                    "with 'thedit train --resume anyway', or begin anew with '--resume restart'."
                )
            self.step, self.seconds, self.rows = state["step"], state["seconds"], state["rows"]
            self.method.load_state_dict(state["method"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except checkpoint.WRONG as error:
            why = checkpoint.reason(error)
            raise UserError(f"{self._checkpoint}: is of another training ({why}); delete it to train anew.") from error

    def _metadata(self) -> dict[str, str]:
        facts: dict[str, Any] = {
            "method": self.spec.name,
            "preset": self.options.preset,
            "size": self.store.size,
            "preprocess": self.config.data.preprocess.model_dump(mode="json"),
            "options": self.spec.options | self.method.built(),
            "images": self.images,
            "seconds": round(self.seconds, 1),
            "parameters": sum(p.numel() for p in self.method.parameters()),
            "config_hash": digest(self.config),
            "code_version": provenance.code_version(),
            "device": provenance.device(),
            "processes": self.processes.size,
            **self.begun_with,
        }
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}

    def _seed(self) -> int:
        return (self.config.seed << 40) + (self.step << 10) + self.processes.rank

    def _spent(self, began: float) -> float:
        """Share of the device hours that is spent, by the first process's clock; 0 where none are set."""
        hours = self.options.hours
        if hours is None:
            return 0.0
        return self.processes.agreed((time.perf_counter() - began) * self.processes.size / (3600 * hours))

    def _due(self, every: int) -> bool:
        """Whether this step crossed a multiple of ``every`` images."""
        return self.images // every > (self.images - self.options.batch) // every

    @torch.no_grad()
    def _move_average(self) -> None:
        """Exponential moving average with a half-life in images, shorter at the beginning."""
        halflife = min(self.options.ema_halflife, 0.2 * self.images)
        weight = 1 - 0.5 ** (self.options.batch / halflife)
        torch._foreach_lerp_(self._kept, self._new, weight)
        for kept, new in self._counts:
            kept.copy_(new)


def _weight(store: FrameStore, turned: float) -> np.ndarray:
    """How often each frame (N,) is a target beside a frontal one: ``1 + turned`` times at 45 degrees of yaw."""
    yaw = camera.angles(camera.split(torch.from_numpy(store.column("camera")))[0])[:, 0]
    return (1 + turned * yaw.abs() / 45).numpy()


def _values(method: Method) -> list[Tensor]:
    """Parameters and statistics of normalisations: what a moving average is taken of."""
    return [*method.parameters(), *(buffer for buffer in method.buffers() if buffer.is_floating_point())]


def _counts(method: Method) -> list[Tensor]:
    return [buffer for buffer in method.buffers() if not buffer.is_floating_point()]
