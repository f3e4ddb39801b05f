"""Which expert took which region: numbers worked out by hand, pictures, table, what the command refuses."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from regionfuse.datasets.errors import ConfigError, MethodError
from regionfuse.datasets.images import write_png
from regionfuse.fusion.regionfuse.config import TINY
from regionfuse.fusion.regionfuse.explain import FEATURES, StageRouting, explain, routing_csv
from regionfuse.fusion.regionfuse.model import RegionFuse
from regionfuse.fusion.regionfuse.overlay import overlay_png, responsibilities_png
from regionfuse.fusion.regionfuse.regions import RegionGrid
from regionfuse.fusion.weights import save_weights
from regionfuse.pipeline.cli import app
from regionfuse.pipeline.commands.fuse import fuse
from regionfuse.pipeline.console import Screen

SMALL = replace(TINY, width=8, heads=2, region=16, reach=32, router_hidden=4)


def network(**changes: object) -> RegionFuse:
    torch.manual_seed(0)
    return RegionFuse(SMALL.changed(changes)).eval()


def pair(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(1, 1, height, width, generator=generator) for _ in range(2))
    return first, second


def by_hand() -> StageRouting:
    """One row of two regions of 4 x 4 pixels, the second half outside the image; two experts."""
    responsibilities = np.array(
        [[[[0.5, 0.3], [0.2, 0.4]]], [[[0.9, 0.1], [0.1, 0.2]]], [[[0.1, 0.5], [0.3, 0.6]]]], np.float32
    )
    shares = responsibilities / responsibilities.sum(axis=-1, keepdims=True)
    return StageRouting(2, 3, 6, RegionGrid(4, 8, 4, 4), shares, responsibilities)


def test_dominant_preferred_and_totals() -> None:
    stage = by_hand()
    assert stage.dominant("both").tolist() == [[0, 1]]
    assert stage.dominant("visible").tolist() == [[0, 1]]
    assert stage.dominant("infrared").tolist() == [[1, 1]]
    # Means over the regions are 0.35 and 0.35: the first region stands out by expert 0, the second by 1.
    assert stage.preferred().tolist() == [[0, 1]]
    assert np.allclose(stage.excess()[0, 0], [0.15, -0.05])
    assert np.allclose(stage.totals("visible"), [(0.9 + 1 / 3) / 2, (0.1 + 2 / 3) / 2])


def test_maps_are_blended_back_to_the_pixels_of_the_image() -> None:
    maps = by_hand().maps("visible")
    assert maps.shape == (2, 3, 6)
    assert np.allclose(maps[0, :, :4], 0.9) and np.allclose(maps[0, :, 4:], 0.1), (
        "without overlap: no blending"
    )
    overlapping = replace(by_hand(), grid=RegionGrid(4, 8, 4, 6)).maps("visible")
    assert (np.diff(overlapping[0, 1]) <= 1e-6).all() and np.allclose(overlapping[0, :, 0], 0.9)


def test_boxes_cover_the_image_once() -> None:
    stage = explain(network(), *pair(35, 50))[1]
    covered = np.zeros((35, 50), int)
    for region in stage.regions():
        left, top, right, bottom = region.box
        covered[top:bottom, left:right] += 1
        assert (region.column, region.row) == (left // 16, top // 16)
    assert (covered == 1).all()


def test_the_halves_are_the_modalities() -> None:
    made = network()
    visible, infrared = pair(35, 50)
    with torch.inference_mode(), made.observe_routing() as routings:
        made(visible, infrared)
    stages = explain(made, visible, infrared)
    assert [stage.stage for stage in stages] == [1, 2, 3]
    for stage, routing in zip(stages, routings, strict=True):
        kept = (routing.responsibilities * routing.chosen)[0].numpy()
        assert np.allclose(stage.responsibilities[FEATURES.index("visible")], kept[:8].mean(axis=0))
        assert np.allclose(stage.responsibilities[FEATURES.index("infrared")], kept[8:].mean(axis=0))
        assert np.allclose(stage.shares.sum(axis=-1), 1, atol=1e-6)
        assert np.allclose(stage.totals(), routing.shares.numpy(), atol=1e-6)
        assert stage.maps().shape == (4, 35, 50)
        assert np.allclose(stage.maps().sum(axis=0).max(), kept.mean(axis=0).sum(axis=-1).max(), atol=0.05)


def test_table() -> None:
    rows = list(csv.DictReader(io.StringIO(routing_csv({"a": [by_hand()], "b": [by_hand()]}))))
    assert len(rows) == 2 * 3 * 2
    second = rows[3]
    assert [second[key] for key in ("image", "stage", "features", "row", "column")] == [
        "a",
        "2",
        "visible",
        "0",
        "1",
    ]
    assert [second[key] for key in ("x1", "y1", "x2", "y2")] == ["4", "0", "6", "3"]
    assert (second["dominant"], second["responsibility"], second["preferred"]) == ("1", "0.2000", "1")
    assert (second["share_0"], second["share_1"]) == ("0.3333", "0.6667")


def decoded(png: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


def test_pictures_show_the_colours_of_the_experts() -> None:
    fused = np.full((48, 64, 3), 128, np.uint8)
    stage = explain(network(), *pair(48, 64))[0]
    ones = np.zeros_like(stage.responsibilities)
    ones[..., 2] = 1
    sheet = decoded(
        overlay_png("x", fused, fused[..., 0] / 255, fused, [replace(stage, responsibilities=ones)] * 3)
    )
    tinted = (0.55 * 128 + 0.45 * np.array([0x00, 0x9E, 0x73])).round()
    seen = np.abs(sheet.reshape(-1, 3).astype(float) - tinted).max(axis=1) < 6
    assert seen.mean() > 0.25, "two of four rows are the colour of expert 2"
    maps = decoded(responsibilities_png("x", fused, explain(network(experts=6), *pair(48, 64))))
    assert maps.shape[1] > maps.shape[0] and maps.std() > 20


def test_sample_routing_is_the_same_everywhere() -> None:
    for stage in explain(network(routing="sample"), *pair(40, 40)):
        assert len(np.unique(stage.dominant())) == 1 and np.allclose(stage.excess(), 0, atol=1e-6)


def test_plain_attention_has_nothing_to_explain() -> None:
    with pytest.raises(MethodError, match="plain attention"):
        explain(network(attention="plain"), *pair(16, 16))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    generator = np.random.default_rng(0)
    for stem, size in (("a", (40, 56)), ("b é", (33, 24))):
        write_png(tmp_path / "ir" / f"{stem}.png", generator.random(size, np.float32))
        write_png(tmp_path / "vi" / f"{stem}.png", generator.random((*size, 3), np.float32))
    return tmp_path / "ir", tmp_path / "vi"


def weights(tmp_path: Path, **changes: object) -> Path:
    made = network(**changes)
    save_weights(made, tmp_path / "w.safetensors", {"config": made.config.to_dict()})
    return tmp_path / "w.safetensors"


def test_command_writes_pictures_and_table(folders: tuple[Path, Path], tmp_path: Path) -> None:
    infrared, visible = folders
    given = ["--infrared", str(infrared), "--visible", str(visible), "--out", str(tmp_path / "out")]
    given += ["--weights", str(weights(tmp_path)), "--device", "cpu", "-q"]
    result = CliRunner().invoke(app, ["fuse", *given])
    assert result.exit_code == 0 and not (tmp_path / "out" / "explain").exists()
    result = CliRunner().invoke(app, ["fuse", *given, "--explain"])  # now all images are fused already
    assert result.exit_code == 0 and "routing.csv" in result.output
    out = tmp_path / "out" / "explain"
    for stem in ("a", "b é"):
        assert decoded((out / "regions" / f"{stem}.png").read_bytes()).std() > 10
        assert (out / "responsibilities" / f"{stem}.png").is_file()
    rows = list(csv.DictReader((out / "routing.csv").open(encoding="utf-8")))
    assert {row["image"] for row in rows} == {"a", "b é"}
    assert len(rows) == 3 * 3 * (3 * 4 + 3 * 2)


@pytest.mark.parametrize(
    ("method", "changes", "tile", "message"),
    [
        ("average", {}, None, "'average' has none"),
        ("regionfuse", {"attention": "plain"}, None, "plain attention"),
        ("regionfuse", {}, 64, "leave --tile or --explain out"),
    ],
)
def test_command_refuses_before_it_fuses(
    folders: tuple[Path, Path], tmp_path: Path, method: str, changes: dict[str, str], tile: int, message: str
) -> None:
    given = weights(tmp_path, **changes) if method == "regionfuse" else None
    with pytest.raises(ConfigError, match=message) as caught:
        fuse(*folders, tmp_path / "out", method, given, tile, "cpu", False, Screen(-1), explain=True)
    assert "\n" not in str(caught.value) and not list(tmp_path.glob("out/*"))
