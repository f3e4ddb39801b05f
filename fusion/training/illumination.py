"""PIAFusion's day-or-night classifier (Tang et al., Information Fusion 2022), as its PyTorch port trains it.

Cross entropy over the scores of (day, night), which end in a ReLU; Adam at 1e-3 with 1e-4 of L2, batches of
128 visible patches of 64 x 64, 100 epochs. Its weights go into PIAFusion's training, see ``piafusion.py``.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.errors import ConfigError, DataError
from ...datasets.records import Pair
from ..baselines.catalogue import build
from ..baselines.piafusion import IlluminationClassifier
from .options import TrainingOptions
from .piafusion import PIAFusionRecipe, patches_that_tile
from .recipe import Batch, Recipe, full_precision

LIGHTING = ("day", "night")
"""What a pair can be called, in the order of the network's scores."""
L2 = 1e-4
"""What torch's Adam calls weight decay: half of it times the squared weights is added to the loss."""


class IlluminationRecipe(Recipe):
    """How the classifier is trained.

    Setting: ``lighting``, a CSV file with the columns ``stem`` and ``lighting`` (``day`` or ``night``).
    Without it the last letter of a stem says what a pair is, D or N, as MSRS names its images.
    """

    choices: ClassVar[Mapping[str, str]] = {
        "patches": "Drawn at random, flipped and turned, where the port reads patches cut beforehand.",
        "selection": (
            "The last epoch's weights; the port keeps the epoch that is best on a tenth of its patches."
        ),
        "start": (
            "As published, N(0, 0.01) for the linear layers, but a row of the last one that gives a grey "
            "image a negative score changes its sign: the ReLU makes it 0 for about every image, and where "
            "both are, which is one start in four, nothing is ever learned."
        ),
    }
    reads: ClassVar[frozenset[str]] = frozenset({"network"})
    defaults: ClassVar[Mapping[str, Any]] = {**PIAFusionRecipe.defaults, "epochs": 100}

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        for name in options.network:
            if name != "lighting":
                raise ConfigError(f"{options.method}: unknown setting {name!r}; known: lighting")
        file = options.network.get("lighting")
        self.file = None if file is None else Path(str(file))
        # Once: the card must tell of what was learned from, whatever becomes of the file meanwhile.
        self.known, self.file_sha256 = ({}, "") if self.file is None else read_lighting(self.file)

    def build(self) -> nn.Module:
        """Return a fresh network, neither score of which is zero for every image."""
        network = cast(IlluminationClassifier, build("piafusion-illumination"))
        with torch.no_grad():
            features = network.features(torch.full((1, 3, 64, 64), 0.5))[0]
            # The sign of a row does not matter to the distribution that it is drawn from.
            network.linear2.weight[network.linear2.weight @ features < 0] *= -1
        return network

    def targets(self, pairs: Sequence[Pair]) -> list[float]:
        """Return 0 for a pair taken by day and 1 for one taken at night.

        Raises:
            DataError: there is a pair of which it is not known.
        """
        look = _by_name if self.file is None else self.known.get
        found = [look(pair.stem) for pair in pairs]
        missing = [pair.stem for pair, lighting in zip(pairs, found, strict=True) if lighting is None]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            where = f"not in {self.file}" if self.file is not None else "names do not end in D or N"
            raise DataError(
                f"day or night? not known of {', '.join(missing[:3])}{more}: {where}; write a CSV file with "
                "the columns stem and lighting (day or night) and give it with --network lighting=FILE.csv"
            )
        return [float(LIGHTING.index(lighting)) for lighting in found if lighting is not None]

    def training_targets(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the targets of pairs of which some are day and some are night.

        Raises:
            DataError: there is a pair of which it is not known, or all are the same.
        """
        found = self.targets(pairs)
        if len(set(found)) == 1:
            which, other = (LIGHTING[int(number)] for number in (found[0], 1 - found[0]))
            where = "the last letters of their names" if self.file is None else self.file
            raise DataError(
                f"expected pairs taken by day and pairs taken at night, found {len(found)} to train on that "
                f"{where} all call {which}: there is nothing to tell apart; add {other} pairs"
            )
        return found

    def files_by_stem(self) -> tuple[Path, ...]:
        """Return the file that says what is day and what is night."""
        return () if self.file is None else (self.file,)

    def patches_per_epoch(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Return the number of patches that tile the images."""
        return patches_that_tile(sizes, self.options.patch)

    def schedule(self, _step: int, _steps_per_epoch: int) -> float:
        """Return 1: the rate does not change."""
        return 1.0

    def step(self, network: nn.Module, batch: Batch, _epoch: int) -> dict[str, Tensor]:
        """Return total, cross entropy, and the share of patches that are told right."""
        assert batch.target is not None
        scores = network(batch.rgb)
        with full_precision(scores.device):
            scores, classes = scores.float(), batch.target.long()
            entropy = F.cross_entropy(scores, classes)
            squares = torch.stack([weight.square().sum() for weight in network.parameters()]).sum()
        right = (scores.argmax(dim=1) == classes).float().mean()
        return {"total": entropy + L2 / 2 * squares, "entropy": entropy, "accuracy": right}

    def fused(self, _network: nn.Module, _batch: Batch) -> None:
        """Return None: nothing is fused."""

    def card(self) -> dict[str, Any]:
        """Return where it was read what is day and what is night."""
        return {"lighting": "last letter of the stem" if self.file is None else self.file_sha256}


def read_lighting(path: Path) -> tuple[dict[str, str], str]:
    """Read a CSV file with the columns ``stem`` and ``lighting``.

    Returns:
        Stem -> ``day`` or ``night``; and the SHA-256 of the file.

    Raises:
        DataError: it cannot be read, lacks a column, has another word in it, or names a stem twice otherwise.
    """
    known: dict[str, str] = {}
    try:
        content = path.read_bytes()
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        table = csv.DictReader(text, skipinitialspace=True)
        columns = [name.strip() for name in table.fieldnames or ()]
        missing = [name for name in ("stem", "lighting") if name not in columns]
        if missing:
            found = ", ".join(map(repr, columns)) or "none"
            raise DataError(
                f"{path}: expected the columns stem and lighting, found {found}; "
                f"write {' and '.join(missing)} into the first line"
            )
        table.fieldnames = columns
        for row in table:
            stem, lighting = ((row[name] or "").strip() for name in ("stem", "lighting"))
            if lighting.lower() not in LIGHTING or known.get(stem, lighting.lower()) != lighting.lower():
                raise DataError(
                    f"{path}, line {table.line_num}: expected day or night for {stem}, once, found "
                    f"{lighting!r}; mend the line"
                )
            known[stem] = lighting.lower()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot read who is day and who is night: {error}") from error
    return known, hashlib.sha256(content).hexdigest()


def _by_name(stem: str) -> str | None:
    """Return what the last letter of a stem says, as in MSRS: 00004N is a night image."""
    return {"D": "day", "N": "night"}.get(stem[-1:].upper())
