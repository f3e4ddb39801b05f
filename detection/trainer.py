"""Ultralytics' detection trainer with its data, checkpoints and reports replaced by ours.

The loop itself, the loss, the optimizer groups, warm-up and moving average are Ultralytics' own. Replaced
are: the data (no files, no label caches), the stored state (no pickles, exact resume), validation (on val
    only, by
COCO's rules, and only when the best epoch is wanted), and everything that prints, plots or reports. Two of
its rescues are refused, because they would change the recipe for one source and not for another: halving the
batch when memory runs out, and going on from older weights when the loss is not finite.
"""

from __future__ import annotations

import copy
import csv
import io
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..datasets.errors import DetectorError
from ..datasets.storage import write_text
from .arguments import ultralytics_arguments
from .dataset import DetectionDataset, EpochSampler, make_loader
from .job import Job
from .selection import val_map
from .state import STATE_FILE, TrainingState, write_state
from .yolo import DetectionModel, DetectionTrainer


class Trainer(DetectionTrainer):
    """Runs one :class:`Job`; afterwards :meth:`chosen` returns the weights."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rows: list[dict[str, float]] = []
        self.best_fitness: float | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.best_epoch = 0
        self.stored_at = time.monotonic()
        self.spent = 0.0
        callbacks = {
            "on_train_start": [Trainer._started],
            "on_train_epoch_start": [Trainer._epoch_started],
            "on_train_batch_end": [Trainer._batch_ended],
        }
        threads = torch.get_num_threads()
        arguments = ultralytics_arguments(job.recipe, job.seed, job.device, job.scratch)
        super().__init__(overrides=arguments, _callbacks=callbacks)
        # Ultralytics sets this by the number of cores, which would change the order of sums.
        torch.set_num_threads(threads)
        # The same numbers in an order of memory that convolutions read a fifth faster, on processors too.
        self.model = job.model.to(memory_format=torch.channels_last)

    # Data

    def get_dataset(self) -> dict[str, Any]:
        """Describe the data set; the images themselves come from :meth:`get_dataloader`."""
        names = dict(enumerate(self.job.classes))
        return {"names": names, "nc": len(names), "channels": 3, "train": "train", "val": "val", "path": ""}

    def get_dataloader(
        self,
        dataset_path: str,  # noqa: ARG002 - Ultralytics' hook
        batch_size: int = 16,
        rank: int = 0,  # noqa: ARG002
        mode: str = "train",
    ) -> DataLoader | SimpleNamespace:
        """Return the train batches; validation reads its images by itself."""
        if mode != "train":
            return SimpleNamespace(dataset=())
        job = self.job
        dataset = DetectionDataset(job.train, job.classes, job.image_of, job.recipe, job.seed)
        return make_loader(dataset, batch_size, self.args.workers, pin=self.device.type == "cuda")

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Move a batch to the device: float32 in [0, 1], RGB, channels last."""
        batch = super().preprocess_batch(batch)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    # Course of the training

    def _started(self) -> None:
        self.clock = time.monotonic()

    def _epoch_started(self) -> None:
        sampler = self.train_loader.sampler
        assert isinstance(sampler, EpochSampler)
        sampler.epoch = self.epoch
        # Dropout and the like must not depend on what ran before this epoch.
        torch.manual_seed(int(np.random.SeedSequence([self.job.seed, self.epoch]).generate_state(1)[0]))
        self._oom_retries = 3  # counts as used up: raise instead of halving the batch
        self.batch_number = 0

    def _batch_ended(self) -> None:
        self.batch_number += 1
        if self.job.progress is None:
            return
        batches = len(self.train_loader)
        losses = " ".join(f"{_loss_name(key)} {float(value):.2f}" for key, value in self.tloss.items())
        message = f"epoch {self.epoch + 1}/{self.epochs} {losses}"
        self.job.progress(self.epoch * batches + self.batch_number, self.epochs * batches, message)

    def _handle_nan_recovery(self, epoch: int) -> bool:
        if self.loss is not None and not torch.isfinite(self.loss):
            raise DetectorError(
                f"the detector's training diverged in epoch {epoch + 1} (the loss is not finite); lower "
                f"detector.learning_rate (now {self.job.recipe.learning_rate})"
            )
        return False

    def _clear_memory(self, threshold: float | None = None) -> None:
        if self.device.type != "cpu":  # there it would only collect garbage, twice an epoch
            super()._clear_memory(threshold)

    # Validation and selection

    def get_validator(self) -> SimpleNamespace:
        """Return a stand-in: :meth:`validate` does the work."""
        return SimpleNamespace(metrics=SimpleNamespace(keys=[]), args=copy.copy(self.args), dataloader=None)

    def validate(self) -> tuple[dict[str, float], float]:
        """Score the moving average on val when the best epoch is wanted; keep the best so far."""
        if self.job.recipe.select != "best_val":
            return {}, 0.0
        fitness = val_map(self.ema.ema, self.job)
        if self.best_fitness is None or fitness > self.best_fitness:
            self.best_fitness = fitness
            self.best_epoch = self.epoch + 1
            self.best_weights = _copied(self.ema.ema.state_dict())
        return {"val_mAP50_95": fitness}, fitness

    def chosen(self) -> tuple[DetectionModel, int, float]:
        """Return the weights to keep (the moving average), their epoch from 1, and the seconds spent."""
        model = copy.deepcopy(self.ema.ema).cpu().float()
        epoch = self.epochs
        if self.job.recipe.select == "best_val" and self.best_weights:
            model.load_state_dict(self.best_weights)
            epoch = self.best_epoch
        for name, tensor in model.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise DetectorError(
                    f"the detector's training diverged ({name} is not finite); lower detector.learning_rate "
                    f"(now {self.job.recipe.learning_rate})"
                )
        return model, epoch, self.spent

    # Files

    def save_metrics(self, metrics: dict[str, float]) -> None:
        """Add a row to ``log.csv``; it is written whole, so a repeated epoch has one row."""
        now = time.monotonic()
        self.spent += now - self.clock
        self.clock = now
        row = {"epoch": self.epoch + 1, "seconds": round(self.spent, 3)}
        row |= {name.replace("train/", ""): round(float(value), 6) for name, value in metrics.items()}
        self.rows = [*self.rows, row]
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(row), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.job.out / "log.csv", text.getvalue())

    def save_model(self) -> bool:
        """Store the state to go on from, unless the last one is only seconds old."""
        job = self.job
        if time.monotonic() - self.stored_at < job.checkpoint_seconds or self.epoch + 1 >= self.epochs:
            return False
        optimizer, numbers = _optimizer_state(self.optimizer)
        tensors = {
            "model": self.model.state_dict(),
            "average": self.ema.ema.state_dict(),
            "optimizer": optimizer,
            "best": self.best_weights,
        }
        values = {
            "updates": self.ema.updates,
            "numbers": numbers,
            "scaler": self.scaler.state_dict(),
            "rows": self.rows,
            "spent": self.spent,
            "best_fitness": self.best_fitness,
            "best_epoch": self.best_epoch,
        }
        write_state(job.out / STATE_FILE, TrainingState(self.epoch + 1, tensors, values), job.fingerprint)
        self.stored_at = time.monotonic()
        return False

    def resume_training(self, ckpt: dict[str, Any] | None) -> None:  # noqa: ARG002 - Ultralytics' hook
        """Go on from the stored state, if there is one."""
        state = self.job.resume
        if state is None:
            return
        self.model.load_state_dict(state.tensors["model"])
        self.ema.ema.load_state_dict(state.tensors["average"])
        self.ema.updates = int(state.values["updates"])
        _restore_optimizer(self.optimizer, state.tensors.get("optimizer", {}), state.values["numbers"])
        if state.values["scaler"]:
            self.scaler.load_state_dict(state.values["scaler"])
        self.rows = list(state.values["rows"])
        self.spent = float(state.values["spent"])
        self.best_fitness = state.values["best_fitness"]
        self.best_epoch = int(state.values["best_epoch"])
        self.best_weights = state.tensors.get("best", {})
        self.start_epoch = state.epochs
        self.model.criterion = self.model.init_criterion()
        if hasattr(
            self.model.criterion, "update"
        ):  # models with two heads shift weight between them by epoch
            self.model.criterion.updates = self.start_epoch - 1
            self.model.criterion.update()

    def final_eval(self) -> None:
        """Do nothing: evaluation reads stored predictions, not the trainer."""


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Split the optimizer's state into tensors and numbers, keyed by position of the parameter and name."""
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, float] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{name}"] = value
            elif value is not None:
                numbers[f"{index}.{name}"] = value
    return tensors, numbers


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], numbers: dict[str, float]
) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *numbers.items()]:
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
            # In the parameter's order of memory: the order of sums, hence the last bit, depends on it.
            value = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _loss_name(key: str) -> str:
    return {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl", "l1_loss": "l1"}.get(key, key)
