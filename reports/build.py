"""Build the report of a run: PDF, LaTeX tables, and a summary for the terminal."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..datasets.errors import ReportError
from ..datasets.storage import write_bytes, write_json, write_text
from .context import METRICS, Context, make_context
from .document import all_tables, make_document
from .latex import latex_files
from .stored import SCHEMA, load_results
from .typeset import Document, typeset

Progress = Callable[[int, int, str], None]
STEPS = 19  # sections, panels, typesetting and writing


def build_report(run: Path, *, out: Path | None = None, progress: Progress | None = None) -> Path:
    """Write the report of a run or comparison from its stored results; no model is run.

    Writes the PDF, its tables as LaTeX beside the stored ones, ``RUN/report/summary.json`` and
    ``references.bib``. The same stored results give the same bytes, wherever the folder lies; the date in
    the PDF is ``SOURCE_DATE_EPOCH``, else the manifest's.

    Args:
        run: folder that ``regionfuse run`` or ``regionfuse compare`` wrote.
        out: where the PDF goes; ``RUN/report/report.pdf`` when None.
        progress: called with done, total and a message.

    Returns:
        Path of the PDF.

    Raises:
        ReportError: results are missing or damaged.
        StorageError: the files cannot be written.
    """
    run = Path(run)
    done = 0

    def say(message: str) -> None:
        nonlocal done
        done = min(done + 1, STEPS - 1)
        if progress is not None:
            progress(done, STEPS, message)

    say("reading stored results")
    context = make_context(load_results(run))
    timestamp = report_timestamp(context.results.manifest)
    document = make_document(context, say)
    say("typesetting")
    pdf = typeset(document, timestamp)[0]
    target = Path(out) if out is not None else run / "report" / "report.pdf"
    for name, text in latex_files(all_tables(document, context)).items():
        write_text(context.results.folder / f"{name}.tex", text)
    write_text(run / "report" / "references.bib", references(context.results.manifest))
    write_json(run / "report" / "summary.json", make_summary(context, document))
    write_bytes(target, pdf)
    if progress is not None:
        progress(STEPS, STEPS, "report written")
    return target


def references(manifest: dict[str, Any]) -> str:
    """The BibTeX entries of all sources, each once; what has none is left out."""
    cards = [item.get("card") or {} for item in manifest.get("sources") or []]
    entries = dict.fromkeys(str(card["bibtex"]).strip() for card in cards if card.get("bibtex"))
    return "".join(f"{entry}\n\n" for entry in entries)


def make_summary(context: Context, document: Document) -> dict[str, Any]:
    """Title, verdict and one row a source and protocol; undefined numbers are null."""
    rows = []
    for protocol, scores in context.scores.items():
        for score in scores:
            row: dict[str, Any] = {
                "protocol": protocol,
                "source": score.source,
                "title": score.title,
                "status": "ok" if score.ok else "failed",
                "reason": score.reason,
                "seeds": score.seeds,
                "contamination": context.results.contamination.get(score.source, ""),
                "trained_here": context.results.trained.get(score.source, ""),
            }
            row.update({metric: _number(score.mean.get(metric)) for metric in METRICS})
            row["differences"] = _gaps(context, protocol, score.source)
            rows.append(row)
    return {
        "schema": SCHEMA,
        "title": document.title,
        "notice": document.notice or None,
        "reference": context.results.reference,
        "verdict": list(document.verdict),
        "rows": rows,
    }


def _gaps(context: Context, protocol: str, source: str) -> dict[str, Any]:
    """Differences of the main metrics to the reference; empty for the reference itself."""
    found = {metric: context.gap(protocol, source, metric) for metric in ("mAP50", "mAP75", "mAP50_95")}
    return {
        metric: {
            "value": _number(gap.value),
            "simultaneous": [_number(gap.simultaneous_low), _number(gap.simultaneous_high)],
            "established": gap.established,
            "covers": gap.covers,
        }
        for metric, gap in found.items()
        if gap is not None
    }


def report_timestamp(manifest: dict[str, Any]) -> int:
    """Seconds since 1970 UTC: ``SOURCE_DATE_EPOCH`` when it is set, else when the run was made.

    Raises:
        ReportError: the variable is not a whole number.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        if not re.fullmatch(r"\d{1,11}", given):
            raise ReportError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found {given!r}; unset it")
        return int(given)
    try:
        moment = datetime.fromisoformat(str(manifest.get("created")).replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp())


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
