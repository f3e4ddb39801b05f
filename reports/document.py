"""Put the sections in order, and say which are left out."""

from __future__ import annotations

from collections.abc import Callable

from .blocks import Block, Heading, Paragraph, Table
from .context import Context
from .marks import explain_marks, explain_table
from .opening import created_text, reading_guide, subtitle, title_facts, title_headline, title_remarks
from .panels import panels_section
from .sections.appendix import appendix_section
from .sections.calibration import calibration_section
from .sections.cost import cost_section
from .sections.data import data_section
from .sections.detection import detection_section
from .sections.errors import errors_section
from .sections.labels import confusion_tables, labels_section
from .sections.limits import limits_section
from .sections.operating import operating_section
from .sections.quality import quality_section
from .sections.strata import strata_section
from .sections.summary import summary_section
from .typeset import Document
from .verdict import make_verdict

Say = Callable[[str], None]


def make_document(context: Context, say: Say) -> Document:
    """Write every section.

    A section returns its blocks, or one line that says why it is left out.

    Args:
        context: results.
        say: told what is being made.
    """
    sections: tuple[tuple[str, Callable[[], list[Block] | str]], ...] = (
        ("data and split", lambda: data_section(context)),
        ("detection", lambda: detection_section(context)),
        ("operating points", lambda: operating_section(context)),
        ("misclassification", lambda: labels_section(context)),
        ("strata", lambda: strata_section(context)),
        ("errors", lambda: errors_section(context)),
        ("calibration", lambda: calibration_section(context)),
        ("panels", lambda: panels_section(context, say)),
        ("fusion quality", lambda: quality_section(context)),
        ("cost", lambda: cost_section(context)),
        ("limits", lambda: limits_section(context)),
    )
    left_out: list[str] = []

    def made(section: list[Block] | str) -> list[Block]:
        if isinstance(section, str):
            left_out.append(section)
            return []
        return [explain_marks(context.results, block) for block in section]

    summary = made(summary_section(context))
    blocks: list[Block] = []
    for name, make in sections:
        say(name)
        blocks += made(make())
    if left_out:
        blocks += [Heading("Left out for want of input", level=2, listed=False)]
        blocks += [Paragraph.of(text, muted=True) for text in left_out]
    say("appendix")
    blocks += made(appendix_section(context))
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
        summary=summary,
        reading=reading_guide(context),
        blocks=blocks,
    )


def all_tables(document: Document, context: Context) -> list[Table]:
    """Tables of the document, and those that are for LaTeX only."""
    unseen = [explain_table(context.results, table) for table in confusion_tables(context)]
    return [block for block in (*document.summary, *document.blocks) if isinstance(block, Table)] + unseen
