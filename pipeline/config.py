"""The run configuration: a YAML file, validated whole before anything runs.

Every key has a default but ``dataset.root``. An unknown or misspelt key, a wrong type, a value out of range
and a missing path are one line each, with the nearest valid name.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..datasets.errors import ConfigError
from ..fusion.names import BUILTINS, split_mode

Protocol = Literal["retrained", "frozen"]
# Names of the fusion metrics; a test compares them with the registry.
# fmt: off
QualityMetric = Literal[
    "EN", "SD", "SF", "AG", "MI", "SCD", "CC", "MSE", "PSNR", "VIF", "Qabf", "SSIM", "Qcb", "Qcb_zoo",
    "MS_SSIM", "FMI", "Nabf",
]
# fmt: on
# The five of RegionFuse's paper, then others that take little time.
FAST_METRICS: tuple[QualityMetric, ...] = (
    *("SF", "AG", "VIF", "Qabf", "Qcb"),
    *("EN", "SD", "MI", "SCD", "CC", "SSIM", "MS_SSIM", "Nabf"),
)
SHIPPED = "shipped"  # Stands for the small weights inside the package.
FROZEN_WEIGHTS = "frozen_weights"


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DatasetConfig(Section):
    """Where the pairs are. Folders are found by name; the optional paths override what is found.

    Objects of ``ignore_classes`` are neither trained on nor counted; ``merge_classes`` counts a label as
    another class: ``{truck: car, van: car}``.
    """

    format: Literal["m3fd", "llvip", "flir", "msrs", "roadscene", "tno", "folders"] = "m3fd"
    root: Path
    infrared: Path | None = None
    visible: Path | None = None
    annotations: Path | None = None
    classes: tuple[str, ...] | None = None
    conditions: Path | None = None
    ignore_classes: tuple[str, ...] = ()
    merge_classes: dict[str, str] = Field(default_factory=dict)

    @field_validator("ignore_classes", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return _split(value)


class SplitConfig(Section):
    """How pairs are divided into train, val and test.

    ``fractions`` are wanted shares; of a list or a published split, val's share of train and val counts where
    it has no val, which is then taken out of train by blocks.
    """

    kind: Literal["scenes", "random", "list", "official"] = "scenes"
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    seed: int = 0
    guard: int = Field(2, ge=0)
    file: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> SplitConfig:
        if self.kind == "list" and self.file is None:
            raise ValueError("kind 'list' needs split.file, a JSON or text file with the stems")
        if any(part < 0 for part in self.fractions) or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(
                f"fractions are train, val, test and must add up to 1, found {list(self.fractions)}"
            )
        return self


class TrainConfig(Section):
    """Training of one source's network on the run's train split (and ``fusion.extra_pairs``).

    What is not given is as the method's publication has it; for RegionFuse, as in the section ``fusion``. 0
    epochs: no training. ``labels``, for methods that learn from fused images: a folder of them by stem, or
    the name of another source, whose images are made first (and ``extra_pairs`` left out: they have none).
    """

    epochs: int | None = Field(None, ge=0)
    warmup_epochs: int | None = Field(None, ge=0)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    patch: int | None = Field(None, ge=16)
    learning_rate: float | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=0)
    network: dict[str, Any] | None = None
    init: Path | Literal["shipped"] | None = None
    labels: Path | None = None


class SourceConfig(Section):
    """One image source: a method by registry name or door, under the name it has in tables and folders.

    ``options`` are keywords of the method's constructor; of a folder or a command, facts of its card.
    ``train: true`` trains the method in the run; with settings: ``train: {epochs: 5}``.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    method: str | None = None
    weights: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    train: TrainConfig | None = None

    @field_validator("train", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return ({} if value else {"epochs": 0}) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _has_weights(self) -> SourceConfig:
        name, _ = split_mode(self.spec)
        method = BUILTINS.get(name)
        trainable = method is not None and method.trainable
        if self.trains and not trainable:
            known = ", ".join(name for name, entry in BUILTINS.items() if entry.trainable)
            raise ValueError(f"{self.spec!r} cannot be trained here; trainable are {known}")
        if self.trains and self.weights is not None:
            raise ValueError(f"{self.name!r} has both weights and train; leave one of them out")
        if method is not None and method.needs_weights and self.weights is None and not self.trains:
            choice = ", or train: true to train it in this run" if trainable else ""
            raise ValueError(
                f"{self.name!r} has no weights; give weights: FILE (`regionfuse methods --json` says where "
                f"its authors publish them){choice}"
            )
        return self

    @property
    def trains(self) -> bool:
        """True when the source asks for being trained in the run."""
        return self.train is not None and self.train.epochs != 0

    def teacher(self, sources: Collection[str]) -> str | None:
        """Return the name among ``sources`` whose images this source learns from; None: of no source."""
        labels = str(self.train.labels) if self.train is not None and self.train.labels else None
        return labels if self.trains and labels in sources else None

    @property
    def spec(self) -> str:
        """The registry specification; the name itself unless ``method`` says otherwise."""
        return self.method or self.name


class FusionConfig(Section):
    """Training of RegionFuse, and how every method is run."""

    preset: Literal["tiny", "base"] = "tiny"
    weights: Path | None = None
    init: Path | Literal["shipped"] | None = None
    epochs: int = Field(84, ge=0)
    warmup_epochs: int = Field(4, ge=0)
    steps_per_epoch: int | None = Field(None, ge=1)
    batch_size: int = Field(8, ge=1)
    patch: int = Field(128, ge=16)
    learning_rate: float = Field(1e-4, gt=0)
    lambda_gradient: float = Field(5.0, ge=0)
    mu_load: float = Field(5.0, ge=0)
    load_epochs: int = Field(5, ge=0)
    network: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    extra_pairs: tuple[DatasetConfig, ...] = ()
    tile: int | None = Field(None, ge=64)
    device: str = "auto"

    @model_validator(mode="after")
    def _buildable(self) -> FusionConfig:
        from ..fusion.regionfuse.config import network_config

        try:
            network_config(self.preset, self.network)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


class QualityConfig(Section):
    """Fusion-quality metrics of the test pictures; an empty list leaves them out."""

    metrics: tuple[QualityMetric, ...] = FAST_METRICS

    @field_validator("metrics", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        names = _split(value)
        return list(dict.fromkeys(names)) if isinstance(names, (list, tuple)) else names


class EvaluationConfig(Section):
    """How predictions are scored. ``draws``: bootstrap draws behind the ranks, 0 for none."""

    per_class_thresholds: bool = False
    draws: int = Field(5000, ge=0)


class ReportConfig(Section):
    """Words of the report."""

    title: str | None = None


class Config(Section):
    """Everything ``regionfuse run`` does."""

    schema_version: Literal[1] = Field(1, alias="schema")
    dataset: DatasetConfig
    split: SplitConfig = SplitConfig()
    sources: tuple[SourceConfig, ...] = ()
    protocols: tuple[Protocol, ...] = ("retrained", "frozen")
    seeds: tuple[int, ...] = (0,)
    fusion: FusionConfig = FusionConfig()
    detector: dict[str, Any] = Field(default_factory=dict)
    quality: QualityConfig = Field(default_factory=QualityConfig)
    evaluation: EvaluationConfig = EvaluationConfig()
    report: ReportConfig = ReportConfig()

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)

    @field_validator("sources", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        value = _split(value)
        if not isinstance(value, (list, tuple)):
            return value
        return [{"name": item} if isinstance(item, str) else item for item in value]

    @field_validator("seeds", "protocols", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else _split(value)

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"sources: {twice!r} stands twice; give one of them another name")
        teachers = {source.name: source.teacher(names) for source in self.sources}
        for name, teacher in teachers.items():
            if teacher is not None and (teacher == name or teachers[teacher] is not None):
                raise ValueError(
                    f"sources: {name!r} cannot learn from {teacher!r}, which learns from a source itself"
                )
        for what, values in (("seeds", self.seeds), ("protocols", self.protocols)):
            if not values or len(set(values)) != len(values):
                raise ValueError(
                    f"{what}: needs at least one value, none of them twice, found {list(values)}"
                )
        return self


def _split(value: Any) -> Any:
    """Take ``a,b`` for a list, as people type it after ``--set``."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def dump_config(config: Config) -> dict[str, Any]:
    """Return the resolved configuration as plain values for YAML and JSON."""
    return config.model_dump(mode="json", by_alias=True)
