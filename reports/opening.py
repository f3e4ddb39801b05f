"""Title page and reading guide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .blocks import Block, Figure, KeyValues, Note, Paragraph
from .context import PROTOCOL_QUESTIONS, Context, protocol_title
from .figures.differences import draw_differences
from .marks import SEEN, TRAINED, explain_marks
from .numbers import join, percent, plural
from .sections.cells import contamination_note
from .sections.detection import score_table


def subtitle(context: Context) -> str:
    """Data set and date in one line."""
    manifest = context.results.manifest
    name = (manifest.get("dataset") or {}).get("name", "unknown data set")
    return f"Data set {name}; {created_text(manifest)}"


def created_text(manifest: dict[str, Any]) -> str:
    """When the run was made, as printed; the stored text when it is not a time."""
    stored = str(manifest.get("created") or "")
    try:
        moment = datetime.fromisoformat(stored.replace("Z", "+00:00"))
    except ValueError:
        return stored
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment.tzinfo else moment.strftime("%Y-%m-%d %H:%M")


def title_facts(context: Context) -> tuple[tuple[str, str], ...]:
    """What was compared, on what, and how."""
    results, manifest = context.results, context.results.manifest
    dataset, split = manifest.get("dataset") or {}, {**(manifest.get("split") or {}), **context.results.split}
    images, objects = results.extent()
    leakage = (split.get("leakage") or {}).get("either_share")
    related = (
        f"; {percent(leakage, 1)} of test images have a relative in train" if leakage is not None else ""
    )
    detector = manifest.get("detector") or {}
    recipe = [str(detector[key]) for key in ("weights", "model") if detector.get(key)][:1]
    recipe += [f"{detector[key]} epochs" for key in ("epochs",) if detector.get(key)]
    recipe += [f"{detector[key]} px" for key in ("image_size",) if detector.get(key)]
    protocols = [protocol_title(name).lower() for name in results.protocols]
    seeds = max((len(results.seeds(name)) for name in results.protocols), default=0)
    return (
        ("Compared", join([results.titles[name] for name in results.sources])),
        ("Data", f"{dataset.get('name', 'unknown')}, {plural(int(dataset.get('pairs') or 0), 'pair')}; test: "
                 f"{plural(images, 'image')}, {plural(objects, 'object')}"),
        ("Split", f"{split.get('kind', 'unknown')}, seed {split.get('seed', '–')}{related}"),
        ("Detector", ", ".join(recipe) or "see the appendix"),
        ("Protocols", f"{join(protocols)}; {plural(seeds, 'seed')}"),
    )  # fmt: skip


def title_remarks(context: Context) -> list[Block]:
    """What must be known before the numbers: sources that were trained on test images, or failed."""
    return [*contamination_note(context), *_failures(context)]


def _failures(context: Context) -> list[Block]:
    failed = {
        score.title: protocol
        for protocol, scores in context.scores.items()
        for score in scores
        if not score.ok
    }
    units = [unit for unit in context.results.manifest.get("units") or [] if unit.get("status") == "failed"]
    if not failed and not units:
        return []
    if failed:
        return [
            Note(
                f"Failed and without scores: {join(list(failed))}. The reasons stand in the tables.",
                "warning",
            )
        ]
    return [Note(f"{plural(len(units), 'unit')} of work failed; see the appendix.", "warning")]


def title_headline(context: Context) -> list[Block]:
    """The compact table of the first protocol and the picture of all differences."""
    table = score_table(context, context.headline_protocol, brief=True)
    blocks: list[Block] = [explain_marks(context.results, table)]
    drawing = draw_differences(context)
    if drawing is not None:
        blocks.append(
            Figure(
                drawing,
                "Difference of each source to visible-only in the same protocol; whiskers are 95 % "
                "intervals over the choice of test images where they are stored.",
            )
        )
    return blocks


def reading_guide(context: Context) -> list[Block]:
    """The words of the report, so that it can be read alone."""
    rows = [
        ("source", "what the detector is given: one modality alone (visible, infrared) or fused images"),
        ("AP points", "average precision times 100; mAP50 at IoU 0.5, mAP50–95 the mean over IoU 0.5 to "
                      "0.95, both the mean over the classes that occur in the test split"),
        ("Δ", "difference to visible-only under the same protocol and seeds"),
        ("95 % interval", "where the difference would lie in 95 of 100 test sets drawn like this one"),
    ]  # fmt: skip
    rows += [(protocol, PROTOCOL_QUESTIONS[protocol]) for protocol in context.results.protocols
             if protocol in PROTOCOL_QUESTIONS]  # fmt: skip
    if context.results.contamination:
        rows.append((SEEN, "the source may have been trained on images of this test split"))
    if context.results.trained:
        rows.append((TRAINED, "the network was trained in this run: no stand-in for its authors' weights"))
    rows += [
        ("fixed, broken", "objects that a source gets right and visible-only wrong, and the reverse"),
        ("failed", "a source that could not be fused or detected on keeps its row, with the reason"),
    ]
    text = (
        "All numbers come from the stored results of one run; the tables behind them lie beside this "
        "file, in tables/, as CSV and as LaTeX. Colours: each source keeps its own all through."
    )
    return [KeyValues(tuple(rows), mono=False), Paragraph.of(text)]
