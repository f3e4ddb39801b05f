"""How numbers are printed: one place, so that a table, a figure and a sentence never disagree."""

from __future__ import annotations

import math

MINUS = "−"
NONE = "–"


def defined(value: float | None) -> bool:
    """Whether there is a number to print."""
    return value is not None and not math.isnan(value)


def points(value: float | None, digits: int = 1) -> str:
    """A fraction 0..1 as AP points (times 100)."""
    return f"{100 * value:.{digits}f}" if value is not None and defined(value) else NONE


def signed(value: float, digits: int) -> str:
    """A number with a typographic sign; no sign when it rounds to zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def percent(value: float | None, digits: int = 0) -> str:
    """A fraction as a percentage."""
    return f"{100 * value:.{digits}f} %" if value is not None and defined(value) else NONE


def decimal(value: float | None, digits: int = 2) -> str:
    """A plain number, e.g. a confidence."""
    return f"{value:.{digits}f}" if value is not None and defined(value) else NONE


def whole(value: float | None) -> str:
    """A count, thousands parted by a narrow space."""
    return f"{round(value):,}".replace(",", "\u202f") if value is not None and defined(value) else NONE


def mean_count(value: float) -> str:
    """A count, or a mean of counts over seeds."""
    return whole(value) if float(value).is_integer() else f"{value:.1f}"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """``1 image``, ``2 images``."""
    return f"{whole(number)} {noun if number == 1 else nouns or noun + 's'}"


def seconds(value: float | None) -> str:
    """A duration with a unit that keeps it short."""
    if value is None or not defined(value):
        return NONE
    if value < 0.0005:
        return f"{1e6 * value:.0f} µs" if value > 0 else "0"
    if value < 1:
        return f"{1e3 * value:.1f} ms" if value < 0.0995 else f"{1e3 * value:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    if value < 7200:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


def magnitude(value: float | None) -> str:
    """A large count with an SI letter: 2.82 M, 455.8 G."""
    if value is None or not defined(value):
        return NONE
    for scale, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.2f} {letter}" if value / scale < 100 else f"{value / scale:.1f} {letter}"
    return whole(value)


def shorten(text: str, length: int) -> str:
    """Cut a long name for a figure; tables print names in full."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def join(words: list[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def some(words: list[str], most: int = 4) -> str:
    """``a, b and c``, or the first few and how many more there are."""
    if len(words) <= most + 1:
        return join(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"
