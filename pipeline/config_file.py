"""Reading a configuration file: overrides, one-line errors with the nearest valid name, absolute paths."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ..datasets.errors import ConfigError
from ..fusion.doors.specs import is_model_spec
from ..fusion.training.options import NETWORK_FILES
from .config import FROZEN_WEIGHTS, SHIPPED, Config, DatasetConfig, SourceConfig, TrainConfig

DEFAULT_SOURCES = ("visible", "infrared", "average", "maximum", "laplacian", "guided", "regionfuse")


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file, apply ``key=value`` overrides and validate the result.

    Relative paths are taken from the folder of the file, else from the working folder.

    Args:
        path: YAML file.
        overrides: e.g. ``fusion.epochs=2`` or ``sources=[visible,average]``; values are YAML.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type or value, or a path that does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "; `regionfuse init --dataset m3fd --root PATH > config.yaml` writes one"
        raise ConfigError(f"{path}: cannot read the configuration ({error}){hint}") from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path}: expected a YAML mapping with the key 'dataset', found {type(tree).__name__}"
        )
    return build_config(tree, overrides, base=path.parent, origin=str(path))


def build_config(
    tree: Mapping[str, Any], overrides: Sequence[str] = (), *, base: Path, origin: str = "configuration"
) -> Config:
    """Validate a configuration given as a mapping; see :func:`load_config`."""
    merged = _copy(tree)
    for override in overrides:
        _apply(merged, override)
    if not merged.get("sources"):
        merged["sources"] = list(DEFAULT_SOURCES)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_first_problem(error)}") from error
    return _resolved(config, base, origin)


def _copy(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, (list, tuple)) else tree


def _apply(tree: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {override}: expected key=value, e.g. --set detector.epochs=20")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"--set {override}: the value is not valid YAML ({error.__class__.__name__})"
        ) from error
    *parents, last = key.strip().split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {parent!r} is a value, not a section")
        node = child
    node[last] = value


def _first_problem(error: ValidationError) -> str:
    """Say in one line what is wrong first, and how many problems follow."""
    problems = error.errors()
    problem = problems[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        message = (
            f"unknown key {where!r}{suggestion(str(problem['loc'][-1]), _names_at(problem['loc'][:-1]))}"
        )
    elif problem["type"] == "missing":
        message = f"{where!r} is missing; it has no default"
    else:
        found = "" if isinstance(problem["input"], dict) else f", found {problem['input']!r}"
        detail = problem["msg"].removeprefix("Value error, ")
        message = f"{where}: {detail}{found}" if where else detail
    more = len(problems) - 1
    return message + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")


def _names_at(location: Sequence[int | str]) -> list[str]:
    model: Any = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean 'x'?`` or the list of valid names."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid keys here: {', '.join(known)}" if known else ""


def _resolved(config: Config, base: Path, origin: str) -> Config:
    """Make all paths absolute and check that they exist."""

    def absolute(path: Path | None, key: str) -> Path | None:
        if path is None:
            return None
        full = Path(base, path.expanduser()).absolute()
        if not full.exists() and path.exists():
            full = path.absolute()  # Given on the command line: seen from the working folder.
        if not full.exists():
            near = difflib.get_close_matches(full.name, [p.name for p in _siblings(full)], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; check the path"
            raise ConfigError(f"{origin}: {key}: {full} does not exist{hint}")
        return full

    def dataset(section: DatasetConfig, key: str) -> DatasetConfig:
        paths = {
            name: absolute(getattr(section, name), f"{key}.{name}")
            for name in ("root", "infrared", "visible", "annotations", "conditions")
        }
        return section.model_copy(update=paths)

    detector = dict(config.detector)
    for key in ("weights", FROZEN_WEIGHTS):
        if detector.get(key) not in (None, SHIPPED):
            detector[key] = str(absolute(Path(str(detector[key])), f"detector.{key}"))
    if Path(base, str(detector.get("model", ""))).is_file():
        detector["model"] = str(Path(base, str(detector["model"])).absolute())
    fusion = config.fusion.model_copy(
        update={
            "weights": absolute(config.fusion.weights, "fusion.weights"),
            "init": config.fusion.init
            if config.fusion.init in (None, "shipped")
            else absolute(Path(str(config.fusion.init)), "fusion.init"),
            "extra_pairs": tuple(
                dataset(extra, f"fusion.extra_pairs.{index}")
                for index, extra in enumerate(config.fusion.extra_pairs)
            ),
        }
    )
    names = {source.name for source in config.sources}

    def training(source: SourceConfig) -> TrainConfig | None:
        if source.train is None:
            return None
        key, train = f"sources.{source.name}.train", source.train
        files = {
            name: Path(str(path)) for name, path in (train.network or {}).items() if name in NETWORK_FILES
        }
        network = {name: str(absolute(path, f"{key}.network.{name}")) for name, path in files.items()}
        init = train.init if train.init in (None, SHIPPED) else absolute(Path(train.init), f"{key}.init")
        labels = train.labels
        if labels is not None and str(labels) not in names:
            near = difflib.get_close_matches(str(labels), names, n=1)
            if near and not Path(base, labels).exists():
                raise ConfigError(f"{origin}: {key}.labels: no source or folder {labels}; {near[0]!r}?")
            labels = absolute(labels, f"{key}.labels")
        update = {"init": init, "labels": labels, "network": train.network and {**train.network, **network}}
        return train.model_copy(update=update)

    sources = tuple(
        source.model_copy(
            update={
                "weights": absolute(source.weights, f"sources.{source.name}.weights"),
                "method": absolute_spec(source.method, base),
                "train": training(source),
            }
        )
        for source in config.sources
    )
    return config.model_copy(
        update={
            "dataset": dataset(config.dataset, "dataset"),
            "split": config.split.model_copy(update={"file": absolute(config.split.file, "split.file")}),
            "fusion": fusion,
            "detector": detector,
            "sources": sources,
        }
    )


def absolute_spec(spec: str | None, base: Path) -> str | None:
    """Make the path inside a ``folder:PATH``, ``file.py:Class`` or ``model.onnx`` specification absolute."""
    if spec is None:
        return None
    if spec.startswith("folder:"):
        return f"folder:{Path(base, spec.removeprefix('folder:')).absolute()}"
    if is_model_spec(spec):
        return str(Path(base, spec).absolute())
    head, separator, name = spec.rpartition(":")
    if separator and head.endswith(".py"):
        return f"{Path(base, head).absolute()}:{name}"
    return spec


def _siblings(path: Path) -> list[Path]:
    try:
        return list(path.parent.iterdir())
    except OSError:
        return []
