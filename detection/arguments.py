"""A recipe in Ultralytics' words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .recipe import DetectorRecipe


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
