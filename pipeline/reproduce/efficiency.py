"""Table 4: parameters, multiply-accumulates and latency of every method at 480 x 640."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...datasets.storage import write_json
from ...reports.blocks import Block, Cell, Column, Paragraph, Table
from ...reports.numbers import NONE, decimal, defined
from ..execute import Outcome
from ..machine import describe_machine
from ..store import Progress, Unit
from .chapter import Chapter, opening, reason
from .paper_values import COST
from .records import Experiment
from .shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

    from ...fusion.contract import FusionMethod

HEIGHT, WIDTH = 480, 640
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One row: label in the paper's table, title, and the preset of RegionFuse (others are baselines)."""

    label: str
    title: str
    preset: str = ""


ENTRIES = (
    Entry("piafusion", "PIAFusion"),
    Entry("cddfuse", "CDDFuse"),
    Entry("ddfm", "DDFM"),
    Entry("ship", "SHIP"),
    Entry("dcevo", "DCEvo"),
    Entry("sage", "SAGE"),
    Entry("a2rnet", "A2RNet"),
    Entry("regionfuse base", "RegionFuse (base)", "base"),
    Entry("regionfuse tiny", "RegionFuse (tiny)", "tiny"),
)


def units(shop: Shop, _experiment: Experiment) -> list[Unit]:
    """Return one measurement a method."""
    return [measurement(shop, entry) for entry in ENTRIES]


def measurement(shop: Shop, entry: Entry) -> Unit:
    """Count and time one network; result: ``cost.json``. Weights are arbitrary: time does not depend on them.

    The machine is part of the key: a latency is true for one machine only.
    """
    machine = describe_machine()
    params = {
        "method": entry.label,
        "size": (HEIGHT, WIDTH),
        "machine": {key: machine[key] for key in ("cpu", "cores", "gpu")},
        "device": shop.device,
        "seconds": shop.scale.timing_seconds,
    }

    def action(work: Path, progress: Progress) -> None:
        from ...fusion.efficiency import method_cost, own_form_cost
        from ...fusion.latency import measure
        from ...fusion.run import resolve_device

        device = resolve_device(shop.device)
        method = _method(entry, values=False)
        progress(0, 3, "counting")
        cost = method_cost(method, HEIGHT, WIDTH)
        result: dict[str, Any] = {
            "parameters": cost.parameters,
            "multiply_accumulates": cost.multiply_accumulates,
            "device": _device_name(device, machine["cpu"]),
            "seconds": [],
        }
        if entry.preset:
            progress(1, 3, "counting the form that runs")
            result["own_multiply_accumulates"] = own_form_cost(method, HEIGHT, WIDTH).multiply_accumulates
        progress(2, 3, "timing")
        if entry.label == "ddfm" and device.type == "cpu":
            result["remark"] = "not timed on a CPU, where its 100 steps take about an hour"
        else:
            latency = measure(
                _method(entry, values=True),
                HEIGHT,
                WIDTH,
                device,
                calls=shop.scale.timing_runs,
                warm_up=10 if device.type == "cuda" else 1,
                budget=shop.scale.timing_seconds,
            )
            result["seconds"] = latency.seconds
        write_json(work / "cost.json", result)

    return Unit("efficiency", entry.label, params, action, version=VERSION)


def _method(entry: Entry, *, values: bool) -> FusionMethod:
    """Return the method of a row with arbitrary weights; without values it can only be counted."""
    from ...fusion.registry import load_class

    cls: Any = load_class("regionfuse" if entry.preset else entry.label)
    if entry.preset:
        method: FusionMethod = cls.random(entry.preset)
    else:
        method = cls.random() if values else cls.untrained()
    return method


def _device_name(device: Any, processor: str) -> str:
    """Return the name of the GPU, or the processor with the number of threads that torch uses."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    threads = torch.get_num_threads()
    return f"{processor} ({threads} thread{'s' if threads > 1 else ''})"


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make the table: ours beside the paper's, with the spread of the latency and the device."""
    rows: list[dict[str, Any]] = []
    failed = {}
    for entry in ENTRIES:
        unit = measurement(shop, entry)
        why = reason(unit, outcome)
        row: dict[str, Any] = {"method": entry.title}
        ours: dict[str, Any] = {} if why else _read(shop, unit)
        for name in COST:
            row[name] = ours.get(name, float("nan"))
            paper = experiment.paper.value(entry.label, name) if experiment.paper else None
            row[f"{name}_paper"] = float("nan") if paper is None else paper
        row |= {key: ours.get(key) for key in ("low (ms)", "high (ms)", "runs", "own FLOPs (G)", "device")}
        row |= {"status": "failed" if why else "ok", "reason": why or ours.get("remark", "")}
        if why:
            failed[entry.title] = why
        rows.append(row)
    table = pd.DataFrame(rows)
    said = _finding(table)
    blocks: list[Block] = [
        *opening(experiment),
        Paragraph.of("Here.", f" {said}"),
        _printed(experiment, table),
    ]
    return Chapter(experiment, said, tuple(blocks), {experiment.name: table}, failed)


def _finding(table: pd.DataFrame) -> str:
    base = table[(table["method"] == "RegionFuse (base)") & (table["status"] == "ok")]
    if base.empty:
        return "RegionFuse's base network has no result."
    ours = base.iloc[0]
    text = (
        f"RegionFuse (base): {ours['Params (M)']:.2f} M parameters and {ours['FLOPs (G)']:.2f} G "
        f"multiply-accumulates in the dense form, against 2.82 M and 455.82 G in the paper"
    )
    own = ours["own FLOPs (G)"]
    if own is not None and defined(float(own)):
        text += f"; the form that runs here needs {float(own):.2f} G"
    devices = [str(name) for name in table["device"].dropna().unique()]
    return f"{text}. Latency on {', '.join(devices) or 'no device'}, the paper's on an RTX 4090."


def _printed(experiment: Experiment, table: pd.DataFrame) -> Table:
    columns = [Column(experiment.parameter, "left")]
    for name in COST:
        columns += [Column("ours", group=name), Column("paper", group=name)]
        if name == COST[-1]:
            columns.insert(-1, Column("spread", group=name))
    columns.append(Column("runs"))
    rows = []
    for _, row in table.iterrows():
        cells = [Cell(str(row["method"]))]
        for name in COST:
            cells.append(Cell(_number(row[name])))
            if name == COST[-1]:
                low, high = row["low (ms)"], row["high (ms)"]
                known = low is not None and defined(float(low))
                cells.append(Cell(f"{_number(float(low))}–{_number(float(high))}" if known else NONE))
            cells.append(Cell(_number(row[f"{name}_paper"]), muted=True))
        runs = row["runs"]
        cells.append(Cell(NONE if runs is None or not defined(float(runs)) else str(int(runs))))
        rows.append(tuple(cells))
    notes = [
        "FLOPs are multiply-accumulates by fvcore's rules, as in the paper; RegionFuse's are those of the "
        "dense form of its attention. Time: one pair, single precision, after a warm-up, synchronised; "
        "median and the range from the lower to the upper quartile (from least to most with fewer than four "
        "runs).",
        "DDFM: 100 steps of its network.",
    ]
    notes += [f"{row['method']}: {row['reason']}." for _, row in table.iterrows() if row["reason"]]
    devices = ", ".join(str(name) for name in table["device"].dropna().unique())
    place = experiment.paper.place if experiment.paper else ""
    return Table(
        experiment.name,
        experiment.name,
        f"Cost of one pair of 480 x 640: ours on {devices or 'no device'}; paper: {place}.",
        tuple(columns),
        tuple(rows),
        note=" ".join(notes),
        small=True,
    )


def _number(value: float) -> str:
    if not defined(value):
        return NONE
    return f"{value:.0f}" if value >= 9999.5 else decimal(value, 2 if value < 999.95 else 1)


def _read(shop: Shop, unit: Unit) -> dict[str, Any]:
    stored = json.loads((shop.store.folder(unit) / "cost.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {
        "Params (M)": stored["parameters"] / 1e6,
        "FLOPs (G)": stored["multiply_accumulates"] / 1e9,
        "device": stored["device"],
        "remark": stored.get("remark", ""),
    }
    if "own_multiply_accumulates" in stored:
        found["own FLOPs (G)"] = stored["own_multiply_accumulates"] / 1e9
    times = sorted(1e3 * seconds for seconds in stored["seconds"])
    if times:
        quartiles = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 3 else None
        found |= {
            "Time (ms)": statistics.median(times),
            "low (ms)": quartiles[0] if quartiles else times[0],
            "high (ms)": quartiles[2] if quartiles else times[-1],
            "runs": len(times),
        }
    return found
