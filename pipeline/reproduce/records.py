"""What an experiment is made of: a frozen record that says what is trained and what the paper shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from .paper_values import PaperTable

Kind = Literal["trainings", "allocation", "encoder", "efficiency", "zones", "contrast", "panels"]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Variant:
    """One training: what differs from the default configuration.

    Attributes:
        label: first cell of its row, and its row in the paper's table.
        options: fields of the training options.
        network: fields of the network's configuration.
        recipe: name of the trainable method.
        name: what progress and files call it; the label when empty.
    """

    label: str
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    network: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    recipe: str = "regionfuse"
    name: str = ""


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes:
        name: as the command line takes it.
        title: heading of its chapter.
        shows: what the paper concludes from it, one or two sentences.
        kind: which code runs and prints it.
        parameter: head of the first column.
        paper: the paper's table, None when it prints no numbers.
        variants: the trainings, in the order of the rows.
        default: label of the variant that is the paper's own configuration.
        ranks: whether mean rank and rank of rank are columns.
    """

    name: str
    title: str
    shows: str
    kind: Kind
    parameter: str = ""
    paper: PaperTable | None = None
    variants: tuple[Variant, ...] = ()
    default: str = ""
    ranks: bool = False
