"""Title page and reading guide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .blocks import Block, Figure, KeyValues, Note, Paragraph
from .context import POINTS, PROTOCOL_QUESTIONS, Context, protocol_title
from .differences import HEADLINE_POINT
from .figures.forest import FOREST, Panel, draw_forest
from .marks import SEEN, TRAINED, explain_marks
from .numbers import join, percent, plural
from .sections.cells import contamination_note
from .sections.detection import score_table


def subtitle(context: Context) -> str:
    """Data set and date in one line."""
    manifest = context.results.manifest
    name = (manifest.get("dataset") or {}).get("name", "not stated")
    return f"Data set {name}; {created_text(manifest)}".rstrip("; ")


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
    images, objects, blocks = (results.extent(name) for name in ("images", "objects", "blocks"))
    relations = (split.get("leakage") or {}).get("relations") or [{}]
    share = relations[0].get("same_block")
    related = f"; {percent(share, 1)} of test images share a block with train" if share is not None else ""
    detector = manifest.get("detector") or {}
    given = detector.get("frozen_weights")
    recipe = [f"{given} (given, frozen)"] if given else []
    if not given or "retrained" in results.protocols:
        recipe += [str(detector[key]) for key in ("weights", "model") if detector.get(key)][:1]
        recipe += [f"{detector[key]} epochs" for key in ("epochs",) if detector.get(key)]
    recipe += [f"{detector[key]} px" for key in ("image_size",) if detector.get(key)]
    protocols = [protocol_title(name).lower() for name in results.protocols]
    seeds = max((len(results.seeds(name)) for name in results.protocols), default=0)
    inside = f"{plural(images, 'image')}, {plural(objects, 'object')}, {plural(blocks, 'block')}"
    pairs = f", {plural(int(dataset['pairs']), 'pair')}" if dataset.get("pairs") else ""
    facts = [("Compared", join([results.titles[name] for name in results.sources])),
             ("Data", f"{dataset.get('name', 'not stated')}{pairs}; test: {inside}")]  # fmt: skip
    if split:
        facts.append(("Split", f"{split.get('kind', 'unknown')}, seed {split.get('seed', '–')}{related}"))
    if recipe:
        facts.append(("Detector", ", ".join(recipe)))
    return (*facts, ("Protocols", f"{join(protocols)}; {plural(seeds, 'seed')}"))


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
    panels = [Panel(protocol_title(protocol), "Δ mAP50, AP points", gaps)
              for protocol in context.results.protocols if (gaps := context.gaps(protocol))]  # fmt: skip
    if panels:
        caption = (
            f"Difference of each source to {context.results.base} under the same protocol. {FOREST} "
            f"{context.intervals(context.headline_protocol)}"
        )
        blocks.append(Figure(draw_forest(context, panels, columns=2), caption))
    return blocks


def reading_guide(context: Context) -> list[Block]:
    """The words of the report, so that it can be read alone."""
    base = context.results.base
    rows = [
        ("source", "what the detector is given: one modality alone or fused images"),
        ("AP points", "average precision times 100; mAP50 at IoU 0.5, mAP50–95: mean over IoU 0.5 to 0.95"),
        ("Δ", f"difference to {base} under the same protocol, mean over seeds"),
        ("block", "images that are not independent of one another; what intervals are drawn over"),
        ("simultaneous", "intervals of all sources hold at once in 95 of 100 test sets drawn like this one"),
        ("established", "the simultaneous interval excludes zero; with one seed per source only for these "
                        "trained detectors, as the chance in training is not in it"),
        ("bold, filled dot", f"an established difference to {base}; never merely the highest value of a "
                             "column (but for fusion metrics, which have no reference)"),
        (POINTS[HEADLINE_POINT], "the headline operating point: every source at the precision "
                                 f"that {base} has around its best F1"),
        ("top label", "what the system calls an object: its highest-scoring label, whatever its class"),
        ("fixed, broken", f"objects a source gets right and {base} wrong, and the reverse, by top label"),
    ]  # fmt: skip
    rows += [(protocol, PROTOCOL_QUESTIONS[protocol]) for protocol in context.results.protocols
             if protocol in PROTOCOL_QUESTIONS]  # fmt: skip
    if context.results.contamination:
        rows.append((SEEN, "the source may have been trained on images of this test split"))
    if context.results.trained:
        rows.append((TRAINED, "the network was trained in this run: no stand-in for its authors' weights"))
    rows.append(("failed", "a source that could not be fused or detected on keeps its row, with the reason"))
    text = (
        "All numbers come from stored results; the tables behind them lie beside this file as CSV and as "
        "LaTeX. Colours: each source keeps its own all through."
    )
    return [KeyValues(tuple(rows), mono=False), Paragraph.of(text)]
