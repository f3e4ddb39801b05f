"""Ultralytics' detection trainer with its data, checkpoints and reports replaced by ours.

The loop itself, the loss, the optimizer groups, warm-up and moving average are Ultralytics' own. Replaced are: the
data (no files, no label caches), the stored state (no pickles, exact resume), validation (on val only, by
COCO's rules, and only when the best epoch is wanted), and everything that prints, plots or reports. Two of its
rescues are refused, because they would change the recipe for one source and not for another: halving the batch
when memory runs out, and going on from older weights when the loss is not finite.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..datasets.errors import DetectorError
from ..datasets.records import Pair
from ..datasets.storage import write_text
from .dataset import DetectionDataset, EpochSampler, make_loader
from .predict import predict_rows
from .recipe import DetectorRecipe
from .state import STATE_FILE, TrainingState, write_state
from .yolo import DetectionModel, DetectionTrainer


@dataclass(frozen=True)
class Job:
    """One training; see :func:`regionfuse.detection.train.train_detector`."""

    recipe: DetectorRecipe
    model: DetectionModel
    train: tuple[Pair, ...]
    val: tuple[Pair, ...]
    classes: tuple[str, ...]
    image_of: Callable[[str], Path]
    seed: int
    device: torch.device
    out: Path
    scratch: Path
    fingerprint: dict[str, Any]
    resume: TrainingState | None
    checkpoint_seconds: float
    progress: Callable[[int, int, str], None] | None


def ultralytics_arguments(
    recipe: DetectorRecipe, seed: int, device: torch.device, scratch: Path
) -> dict[str, Any]:
    """Translate a recipe into Ultralytics' arguments; every one that training reads is stated."""
    on_cpu = device.type == "cpu"
    return {
        "task": "detect",
        "mode": "train",
        "model": "given",
        "data": "given",
        "epochs": recipe.epochs,
        "time": None,
        "patience": 0,  # never stop early: the same number of epochs for every source
        "batch": recipe.batch_size,
        "nbs": recipe.batch_size,  # one optimizer step a batch, and weight decay as stated
        "imgsz": recipe.image_size,
        "save": True,
        "save_period": -1,
        "cache": False,
        "device": "cpu" if on_cpu else str(device.index or 0),
        "workers": 0 if on_cpu else recipe.workers,
        "project": str(scratch),
        "name": "train",
        "save_dir": str(scratch / "train"),
        "exist_ok": True,
        "pretrained": False,
        "cls_remap": False,
        "optimizer": recipe.optimizer,
        "verbose": False,
        "seed": seed,
        "deterministic": recipe.deterministic,
        "single_cls": False,
        "rect": False,
        "cos_lr": recipe.schedule == "cosine",
        "close_mosaic": 0,  # the dataset does it, by epoch
        "resume": False,
        "amp": recipe.amp and not on_cpu,
        "fraction": 1.0,
        "profile": False,
        "freeze": None,
        "multi_scale": 0.0,
        "compile": False,
        "channels_last": False,
        "val": recipe.select == "best_val",
        "split": "val",
        "plots": False,
        "max_det": recipe.max_detections,
        "quantize": None,
        "classes": None,
        "augmentations": [],
        "lr0": recipe.learning_rate,
        "lrf": recipe.final_lr_fraction,
        "momentum": recipe.momentum,
        "weight_decay": recipe.weight_decay,
        "warmup_epochs": recipe.warmup_epochs,
        "warmup_momentum": recipe.warmup_momentum,
        "warmup_bias_lr": recipe.warmup_bias_lr,
        "distill_model": None,
        "box": recipe.box_gain,
        "cls": recipe.class_gain,
        "cls_pw": 0.0,
        "dfl": recipe.distance_gain,
        "mosaic": recipe.mosaic,
        "mixup": recipe.mixup,
        "cutmix": recipe.cutmix,
        "copy_paste": 0.0,
        "copy_paste_mode": "flip",
        "degrees": recipe.degrees,
        "translate": recipe.translate,
        "scale": recipe.scale,
        "shear": recipe.shear,
        "perspective": recipe.perspective,
        "fliplr": recipe.fliplr,
        "flipud": recipe.flipud,
        "bgr": 0.0,
        "hsv_h": recipe.hsv_h,
        "hsv_s": recipe.hsv_s,
        "hsv_v": recipe.hsv_v,
        "auto_augment": None,
        "erasing": 0.0,
    }


class Trainer(DetectionTrainer):
    """Runs one :class:`Job`; afterwards :meth:`chosen` returns the weights."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] = {}
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
        torch.set_num_threads(
            threads
        )  # Ultralytics sets it by the number of cores, which would change the sums
        self.model = job.model

    # Data

    def get_dataset(self) -> dict[str, Any]:
        """Describe the data set; the images themselves come from :meth:`get_dataloader`."""
        names = dict(enumerate(self.job.classes))
        return {"names": names, "nc": len(names), "channels": 3, "train": "train", "val": "val", "path": ""}

    def get_dataloader(
        self,
        dataset_path: str,
        batch_size: int = 16,
        rank: int = 0,
        mode: str = "train",  # noqa: ARG002
    ) -> DataLoader | SimpleNamespace:
        """Return the train batches; validation reads its images by itself."""
        if mode != "train":
            return SimpleNamespace(dataset=())
        job = self.job
        dataset = DetectionDataset(job.train, job.classes, job.image_of, job.recipe, job.seed)
        return make_loader(dataset, batch_size, self.args.workers, pin=self.device.type == "cuda")

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
        """Score the moving average on val when the best epoch is wanted; keep it when it is the best so far."""
        if self.job.recipe.select != "best_val":
            return {}, 0.0
        fitness = val_map(self.ema.ema, self.job)
        if self.best_fitness is None or fitness > self.best_fitness:
            self.best_fitness = fitness
            self.best_epoch = self.epoch + 1
            self.best = _copied(self.ema.ema.state_dict())
        return {"val_mAP50_95": fitness}, fitness

    def chosen(self) -> tuple[DetectionModel, int, float]:
        """Return the weights to keep (the moving average), their epoch counted from 1, and the seconds spent."""
        model = copy.deepcopy(self.ema.ema).cpu().float()
        epoch = self.epochs
        if self.job.recipe.select == "best_val" and self.best:
            model.load_state_dict(self.best)
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
            "best": self.best,
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
        self.best = state.tensors.get("best", {})
        self.start_epoch = state.epochs
        self.model.criterion = self.model.init_criterion()
        if hasattr(
            self.model.criterion, "update"
        ):  # models with two heads shift weight between them by epoch
            self.model.criterion.updates = self.start_epoch - 1
            self.model.criterion.update()

    def final_eval(self) -> None:
        """Do nothing: evaluation reads stored predictions, not the trainer."""


def val_map(model: DetectionModel, job: Job) -> float:
    """Return mAP50-95 on val by pycocotools; 0 when nothing is found."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {pair.stem: number for number, pair in enumerate(job.val, start=1)}
    categories = range(1, len(job.classes) + 1)
    annotations = []
    for pair in job.val:
        for box in pair.boxes:
            left, top, right, bottom = box.xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": ids[pair.stem],
                    "category_id": job.classes.index(box.label) + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": box.area,
                    "iscrowd": 0,
                }
            )
    paths = [(ids[pair.stem], job.image_of(pair.stem)) for pair in job.val]
    rows = predict_rows(model.eval(), paths, list(categories), job.recipe, job.device)
    if not rows:
        return 0.0
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": ids[pair.stem], "width": pair.width, "height": pair.height} for pair in job.val],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(job.classes, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports by printing
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return max(float(evaluator.stats[0]), 0.0)


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
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *numbers.items()]:
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _loss_name(key: str) -> str:
    return {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl", "l1_loss": "l1"}.get(key, key)
