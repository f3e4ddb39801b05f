"""Put the chapters in order."""

from __future__ import annotations

from collections.abc import Callable

from .blocks import Block, Table
from .context import Context
from .marks import explain_marks, explain_table
from .opening import created_text, reading_guide, subtitle, title_facts, title_headline, title_remarks
from .sections.appendix import appendix_section
from .sections.changes import changes_section
from .sections.classes import classes_section
from .sections.confidence import confidence_section
from .sections.cost import cost_section
from .sections.data import data_section
from .sections.detection import detection_section
from .sections.errors import confusion_tables, errors_section
from .sections.limits import limits_section
from .sections.panels import panels_section
from .sections.quality import quality_section
from .typeset import Document
from .verdict import make_verdict

Say = Callable[[str], None]


def make_document(context: Context, say: Say) -> Document:
    """Write every chapter.

    Args:
        context: results.
        say: told what is being made.
    """
    chapters: tuple[tuple[str, Callable[[], list[Block]]], ...] = (
        ("data and split", lambda: data_section(context)),
        ("detection", lambda: detection_section(context)),
        ("classes", lambda: classes_section(context)),
        ("misclassification", lambda: errors_section(context)),
        ("confidence", lambda: confidence_section(context)),
        ("fixed and broken", lambda: changes_section(context)),
        ("panels", lambda: panels_section(context, say)),
        ("fusion quality", lambda: quality_section(context)),
        ("cost", lambda: cost_section(context)),
        ("limits", lambda: limits_section(context)),
        ("appendix", lambda: appendix_section(context)),
    )
    blocks: list[Block] = []
    for name, make in chapters:
        say(name)
        blocks += [explain_marks(context.results, block) for block in make()]
    manifest = context.results.manifest
    return Document(
        title=str(manifest.get("title") or "Fusion judged by detection"),
        subtitle=subtitle(context),
        notice=context.results.notice,
        version=str(manifest.get("regionfuse") or "unknown"),
        created=created_text(manifest),
        verdict=make_verdict(context),
        facts=title_facts(context),
        remarks=title_remarks(context),
        headline=title_headline(context),
        reading=reading_guide(context),
        blocks=blocks,
    )


def all_tables(document: Document, context: Context) -> list[Table]:
    """Tables of the document, and those that are for LaTeX only."""
    unseen = [explain_table(context.results, table) for table in confusion_tables(context)]
    return [block for block in document.blocks if isinstance(block, Table)] + unseen
