"""``regionfuse init``: a commented configuration that runs as it is."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from ...datasets.errors import ConfigError
from ...datasets.formats import FORMATS, UNLABELLED
from ..config import FAST_METRICS
from ..machine import gpu_name

SCALES = ("auto", "cpu", "gpu")

_TEMPLATE = """\
# regionfuse configuration ({scale} scale). Every key below has this value by default or as a suggestion; only
# dataset.root is required.
#   regionfuse check FILE            examine the data, show the plan
#   regionfuse run FILE --out DIR    train, fuse, detect, evaluate, PDF; run it again to go on
# Any key can be overridden on the command line: --set detector.epochs=20
schema: 1

dataset:
  format: {format}            # {formats}
  root: {root}
  # Folders are found by name; say where they are when that fails:
  # infrared: path/to/infrared
  # visible: path/to/visible
  # annotations: path/to/annotations
  # conditions: scenario.json # names of scenes and condition tags: also a CSV image,tag(,scene)
  # ignore_classes: [dog]              # objects that are neither trained on nor counted
  # merge_classes: {{truck: car, van: car}}   # label: class that its objects are counted as

split:
  kind: scenes              # scenes: neighbouring frames and near-duplicates stay together; random;
                            # list: a file; official: published folders or lists (val out of train by blocks)
  fractions: [0.7, 0.1, 0.2]  # train, val, test
  seed: 0
  guard: 2                  # images left out where two scenes of different parts touch
  # file: split.json        # for kind: list or official; also m3fd_train.txt, or one COCO JSON per subset

# Image sources. visible is always there: every comparison is against it. Your own method has four doors:
#   - {{name: mine, method: "folder:/path/to/fused/images"}}
#   - {{name: mine, method: "path/to/file.py:ClassName", weights: path/to/weights}}
#   - mine                    # an installed entry point in the group regionfuse.methods
#   - {{name: mine, method: "command:other-env/bin/python fuse.py {{infrared}} {{visible}} {{out}}"}}
# Published methods (`regionfuse methods`) take the authors' weights, or are trained on this train split:
#   - {{name: ship, weights: path/to/SHIP_model.pth}}
#   - {{name: piafusion, train: true}}                 # by the published recipe
#   - {{name: cddfuse, train: {{epochs: 5, batch_size: 4}}}}
#   - {{name: sage, train: {{labels: laplacian}}}}       # learns from another source, or a folder
sources: [visible, infrared, average, maximum, laplacian, guided, regionfuse]

# retrained: one detector per source, same recipe and split.
# frozen: one detector, trained on visible (or detector.frozen_weights), run on all sources.
protocols: [retrained, frozen]
seeds: {seeds}              # three or more show the spread of training

fusion:                     # training of RegionFuse on the train split (and extra_pairs)
  preset: {preset}              # tiny for CPUs, base for the paper's size
  epochs: {fusion_epochs}                # warm-up included; 0: use the small weights inside the package
  warmup_epochs: 4
  batch_size: {fusion_batch}
  patch: {fusion_patch}                # side of the random training patches in pixels
  learning_rate: {fusion_rate}
  lambda_gradient: 5.0
  mu_load: 5.0
  load_epochs: 5            # the load-balancing loss acts in these first epochs only
  # network: {{experts: 6, top_k: 3, attention: plain}}   # settings that differ from the preset's, see
  #                         # regionfuse/fusion/regionfuse/config.py; weights to start from must fit
  {init}
  # weights: path/to/regionfuse.safetensors   # no training, use these
  # extra_pairs: [{{format: msrs, root: /data/MSRS/train}}]

detector:                   # `regionfuse detect --help`; every field of the recipe can stand here
  {detector}
  optimizer: SGD
  learning_rate: {rate}
  select: last              # last epoch, or best_val; never chosen on test
  # frozen_weights: path/to/detector.pt
  # class_map: {{person: People}}  # class of frozen_weights: class of the data set, where the names differ

evaluation:
  per_class_thresholds: false  # true: operating points have a threshold for each class
  draws: 5000               # bootstrap draws behind the ranks

quality:                    # fusion metrics of the test pictures and what they say about mAP; []: none
  metrics: [{metrics}]
"""

_DETECTOR = {
    "gpu": (
        "model: yolov5s.yaml       # trained from scratch; for COCO weights: weights: path/to/yolov5su.pt\n"
        "  epochs: 100\n"
        "  image_size: 640\n"
        "  batch_size: 16"
    ),
    "cpu": (
        "weights: shipped          # a small detector inside the package, trained on synthetic scenes;\n"
        "                            # better: path/to/yolov5su.pt, or model: yolov5s.yaml from scratch\n"
        "  epochs: 30\n"
        "  image_size: 640\n"
        "  batch_size: 8"
    ),
}

_START = "init: shipped           # start from the small weights inside the package (preset tiny)"
_NO_START = (
    "# init: shipped         # the small weights inside the package saw some public images: see their card"
)


def shipped_data() -> tuple[str, ...]:
    """Return the data sets that the weights inside the package were trained on, by their card."""
    from ...fusion.names import BUILTINS

    weights = Path(__file__).parents[2] / "fusion" / BUILTINS["regionfuse"].shipped
    card = json.loads(Path(f"{weights}.json").read_text(encoding="utf-8"))
    return tuple(card["trained_on"])


def template(dataset: str, root: Path, scale: str = "auto") -> str:
    """Return the text of a configuration for a data set.

    Args:
        dataset: one of the known formats.
        root: its folder; must exist.
        scale: ``cpu``, ``gpu`` or ``auto`` (gpu where an NVIDIA driver answers).

    Raises:
        ConfigError: unknown format or scale, a missing folder, or a data set without boxes.
    """
    for value, known, option in ((dataset, FORMATS, "--dataset"), (scale, SCALES, "--scale")):
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{option} {value}: unknown; {hint}")
    if dataset in UNLABELLED:
        raise ConfigError(
            f"--dataset {dataset}: has no boxes, so no detector can be trained on it; "
            f"use it for `regionfuse train --data {dataset}:ROOT` and `regionfuse fuse`"
        )
    if not root.is_dir():
        raise ConfigError(f"--root {root}: not a folder; give the folder of the data set")
    if scale == "auto":
        scale = "gpu" if gpu_name() else "cpu"
    on_gpu = scale == "gpu"
    starts = not on_gpu and dataset not in shipped_data()
    return _TEMPLATE.format(
        scale=scale,
        format=dataset,
        formats=", ".join(FORMATS),
        root=json.dumps(str(root.absolute()), ensure_ascii=False),
        seeds="[0, 1, 2]" if on_gpu else "[0]",
        preset="base" if on_gpu else "tiny",
        fusion_epochs=84 if on_gpu else 10,
        fusion_batch=8 if on_gpu else 4,
        fusion_patch=128 if on_gpu else 96,
        init=_START if starts else _NO_START,
        fusion_rate="1.0e-4" if on_gpu else "5.0e-4" if starts else "2.0e-3",
        detector=_DETECTOR[scale],
        rate=0.01 if on_gpu else 0.005,
        metrics=", ".join(FAST_METRICS),
    )
