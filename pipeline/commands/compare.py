"""``regionfuse compare``: what differs between sources, and how sure that is, from files made anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.text import Text

from ...reports.numbers import NONE, plural, points
from ..cells import (
    COVERS,
    ESTABLISHED,
    POINTS_NAMES,
    difference_row,
    established,
    number,
    plain_table,
    results_console,
    with_interval,
)
from ..comparison import GIVEN, Compared, Request
from ..comparison import compare as work
from ..console import Screen

_PRECISIONS = {"mAP50": "mAP50", "mAP75": "mAP75", "mAP50_95": "mAP50-95"}
_MOST_PAIRS = 3  # pairs of classes that are printed; the table has all
_ORIGINS = {
    "file": "as the ground truth says",
    "given": "as the list says",
    "numbers": "guessed: images with successive numbers",
    "images": "each image its own",
}


def compare(request: Request, screen: Screen) -> None:
    """Compare, print what matters, and say where the tables are."""
    compared = work(request, screen)
    console = results_console()
    _print_scores(compared, console)
    if len(compared.sources) > 1:
        _print_differences(compared, console)
        _print_points(compared, console)
        _print_misclassifications(compared, console)
        for line in _explanations(compared):
            console.print(line, markup=False)
    console.print(f"tables: {request.out}", markup=False)
    if compared.pdf is not None:
        console.print(f"report: {compared.pdf}", markup=False)


def _print_scores(compared: Compared, console: Console) -> None:
    result = compared.result
    test = result.detection[result.detection["split"] == "test"]
    first = test.iloc[0]
    console.print(
        f"{plural(int(first.images), 'image')} in {plural(int(first.blocks), 'block')} "
        f"({_ORIGINS[compared.block_origin]}), {plural(int(first.objects), 'object')} of "
        f"{plural(int(first.classes), 'class', 'classes')}",
        markup=False,
    )
    summary = result.detection_summary.set_index(["source", "split"])
    ranks = result.ranks.set_index("source")
    columns = ["source", "seeds", *_PRECISIONS.values(), "P(best)", "rank, 95 %"]
    table = plain_table("Average precision (points, COCO)", columns)
    for source in compared.sources:
        row = summary.loc[(source, "test")]
        cells = []
        for name in _PRECISIONS:
            deviation = row[f"{name}_std"]
            spread = "" if pd.isna(deviation) else f" ± {points(float(deviation))}"
            cells.append(f"{points(float(row[f'{name}_mean']))}{spread}")
        place = ["", ""]
        if source in ranks.index and len(compared.sources) > 1:
            rank = ranks.loc[source]
            place = [f"{rank.p_best:.2f}", f"{rank['rank']:g} ({rank.rank_low:g} to {rank.rank_high:g})"]
        name = f"{source} (reference)" if source == compared.reference else source
        table.add_row(Text(name), str(int(row.seeds)), *cells, *place)
    _show(console, table)


def _print_differences(compared: Compared, console: Console) -> None:
    columns = [
        "source",
        "quantity",
        "difference",
        "p, Holm",
        "detectable",
        "what this says",
    ]
    table = plain_table(
        f"Differences to {compared.reference} (points) with simultaneous 95 % interval", columns, 2
    )
    for source in _others(compared):
        for quantity, name in _PRECISIONS.items():
            row = _difference(compared, source, quantity)
            if row is None:
                continue
            table.add_row(
                Text(source),
                name,
                with_interval(row),
                number(float(row.p_holm), 3),
                points(float(row.detectable)),
                _said(row),
            )
    _show(console, table)


def _said(row: pd.Series) -> str:
    if pd.isna(row.simultaneous_low):
        return "no interval: too few blocks"
    if established(row.simultaneous_low, row.simultaneous_high):
        return "higher" if row.value > 0 else "lower"
    return "equal within 1 point" if row.equivalent is True else "no difference shown"


def _print_points(compared: Compared, console: Console) -> None:
    """Print one table for each operating point, the headline first."""
    result = compared.result
    operating = result.operating.drop(columns=["protocol", "split"])
    where = f"{compared.chosen_on}" if compared.chosen_on else "the test images themselves"
    console.print(f"Operating points, chosen on {where}:", markup=False)
    console.print()
    means = operating.groupby(["operating_point", "source"], sort=False).mean(numeric_only=True)
    unreached = operating[operating["reached"] == False].groupby("operating_point")["source"].agg(set)  # noqa: E712
    balances = result.balance[result.balance["class"] == "all"]
    counts = balances.groupby(["operating_point", "source"], sort=False).mean(numeric_only=True)
    columns = [
        *("source", "threshold", "precision", "recall", "false alarms/image"),
        *("fixed", "broken", "balance", "balance, interval"),
    ]
    for position, (point, name) in enumerate(POINTS_NAMES.items()):
        title = f"At {name}{' (headline)' if position == 0 else ''}"
        table = plain_table(title[0].upper() + title[1:], columns)
        for source in compared.sources:
            if (point, source) not in means.index:
                continue
            row = means.loc[(point, source)]
            missed = source in unreached.get(point, set())
            cells = [
                number(row.threshold, 3) + ("†" if missed else ""),
                points(row.precision),
                points(row.recall),
                number(row.false_alarms_per_image, 2),
            ]
            if (point, source) in counts.index:
                count = counts.loc[(point, source)]
                cells += [f"{count.fixed:g}", f"{count.broken:g}"]
                balance = _difference(compared, source, "balance", point=point)
                value, _, limits = with_interval(balance, 1, 0).partition(" ")
                cells += [value, limits]
            table.add_row(Text(source), *cells)
        _show(console, table)
    if len(unreached):
        console.print("† the goal cannot be reached with these predictions; the nearest is taken")
        console.print()


def _print_misclassifications(compared: Compared, console: Console) -> None:
    """Print how often classes are taken for each other at the headline point, both ways."""
    result, point = compared.result, next(iter(POINTS_NAMES))
    table_of = result.misclassifications
    if table_of.empty:
        return
    mine = table_of[table_of["operating_point"] == point]
    means = mine.groupby(["true", "predicted", "source"])[["top_label", "objects"]].mean()
    pairs = _pairs(mine)
    for first, second in pairs[:_MOST_PAIRS]:
        columns = ["source"]
        for true, predicted in ((first, second), (second, first)):
            columns += [f"{true} called {predicted}", "difference, % of them"]
        table = plain_table(
            f"{first} and {second}, by the label of highest confidence, at {POINTS_NAMES[point]}", columns
        )
        for source in compared.sources:
            cells = []
            for true, predicted in ((first, second), (second, first)):
                key = (true, predicted, source)
                cells.append(
                    f"{means.top_label[key]:g} of {means.objects[key]:g}" if key in means.index else NONE
                )
                cells.append(
                    with_interval(
                        _difference(
                            compared, source, "misclassification", stratum=f"{true}>{predicted}", point=point
                        )
                    )
                )
            table.add_row(Text(source), *cells)
        _show(console, table)
    if len(pairs) > _MOST_PAIRS:
        console.print(f"{len(pairs) - _MOST_PAIRS} more pairs of classes in misclassifications.csv")
        console.print()


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the unordered pairs of classes, truck and car first, then the most frequent."""
    total: dict[tuple[str, str], float] = {}
    for true, predicted, count in zip(table["true"], table["predicted"], table["top_label"], strict=True):
        pair = (true, predicted) if (predicted, true) not in total else (predicted, true)
        total[pair] = total.get(pair, 0) + count
    known = {frozenset(map(str.lower, pair)): pair for pair in total}
    first = known.get(frozenset(("truck", "car")))
    ordered = sorted(
        (pair for pair in total if pair != first and total[pair]), key=lambda pair: (-total[pair], pair)
    )
    return ([first] if first else []) + ordered


def _explanations(compared: Compared) -> Iterator[str]:
    """Yield what a reader must know of the numbers above."""
    differences = compared.result.differences
    others = len(compared.sources) - 1
    whole = differences[(differences["quantity"] == "mAP50") & (differences["stratum"] == "all")]
    whole = whole[whole["reference"] == compared.reference]
    if whole["low"].notna().any():
        together = f"hold for all {others} sources together; " if others > 1 else ""
        yield f"Intervals (95 %) {together}{ESTABLISHED} marks those that leave zero out."
        for covers in dict.fromkeys(whole["covers"]):
            which = "" if whole["covers"].nunique() == 1 else f" ({', '.join(_named(whole, covers))})"
            yield f"They cover {COVERS[covers]}{which}."
        yield "Detectable: the smallest true difference that this test set shows four times in five."
        yield (
            "Balance: objects that a source calls right and the reference does not (fixed) less the reverse "
            "(broken); images of one block are resampled together."
        )
    else:
        yield "There are too few blocks of images for intervals; nothing can be said about chance."
    if compared.chosen_on is None:
        yield (
            "Operating points were chosen on the test images, for want of others: what is counted at them is "
            "somewhat too good; give --val-ground-truth and --val-predictions."
        )
    yield (
        "mAP is COCO's. Ultralytics' own differs by some tenths to some points: precision is interpolated in "
        "another way, and boxes are matched by overlap before confidence."
    )


def _named(rows: pd.DataFrame, covers: str) -> list[str]:
    return list(rows.loc[rows["covers"] == covers, "source"])


def _others(compared: Compared) -> list[str]:
    return [source for source in compared.sources if source != compared.reference]


def _difference(
    compared: Compared, source: str, quantity: str, stratum: str = "all", point: str = ""
) -> pd.Series | None:
    return difference_row(
        compared.result.differences,
        source,
        compared.reference,
        quantity,
        protocol=GIVEN,
        stratum=stratum,
        point=point,
    )


def _show(console: Console, table: object) -> None:
    console.print(table)
    console.print()
