"""What the data-set doctor reports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One kind of trouble.

    Attributes:
        level: ``error`` stops a run, ``warning`` changes its numbers, ``info`` is good to know.
        code: short fixed name, e.g. ``size-mismatch``.
        message: one line with the number of cases and an example.
        files: all files concerned.
    """

    level: Level
    code: str
    message: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class DoctorReport:
    """Findings, and counts over the complete pairs.

    Attributes:
        format: format of the set.
        root: folder of the set.
        pairs: number of complete pairs.
        classes: class names in their order.
        findings: errors first, then warnings, then infos.
        class_counts: class -> number of objects, in class order, zeros included; regions to be ignored are
            not counted.
        size_counts: ``small``, ``medium``, ``large`` -> objects, see :func:`~.records.size_names`.
        class_size_counts: class -> the same three counts.
        image_sizes: ``WIDTHxHEIGHT`` -> number of pairs, most frequent first.
    """

    format: str
    root: str
    pairs: int
    classes: tuple[str, ...]
    findings: tuple[Finding, ...]
    class_counts: dict[str, int] = field(default_factory=dict)
    size_counts: dict[str, int] = field(default_factory=dict)
    class_size_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    image_sizes: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that would stop a run."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-serialisable values."""
        return {
            **asdict(self),
            "classes": list(self.classes),
            "findings": [{**asdict(finding), "files": list(finding.files)} for finding in self.findings],
        }


class Findings:
    """Collects cases; one finding per code, with all its files and the first case as the example."""

    def __init__(self) -> None:
        self._cases: dict[tuple[Level, str], tuple[str, list[str], list[str]]] = {}

    def add(self, level: Level, code: str, what: str, example: str, files: Iterable[Path | str] = ()) -> None:
        """Record one case.

        Args:
            level: see :class:`Finding`.
            code: see :class:`Finding`.
            what: description of the kind, e.g. ``pairs whose halves differ in size``.
            example: this case, in words.
            files: files of this case.
        """
        _, examples, names = self._cases.setdefault((level, code), (what, [], []))
        examples.append(example)
        names.extend(str(file) for file in files)

    def collected(self) -> tuple[Finding, ...]:
        """Return the findings, errors first."""
        ranks = {"error": 0, "warning": 1, "info": 2}
        ordered = sorted(self._cases.items(), key=lambda item: ranks[item[0][0]])
        return tuple(
            Finding(level, code, _message(what, examples), tuple(dict.fromkeys(files)))
            for (level, code), (what, examples, files) in ordered
        )


def _message(what: str, examples: list[str]) -> str:
    number = f"{len(examples)}, first " if len(examples) > 1 else ""
    return f"{what}: {number}{examples[0]}"
