"""Baselines as methods: fair and published mode, colour, cards, status, errors."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from regionfuse.datasets.errors import CheckpointError, MethodError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.load import pair_folders
from regionfuse.fusion.apply import fuse_tensors
from regionfuse.fusion.baselines.catalogue import build
from regionfuse.fusion.baselines.colour import (
    grey_8bit,
    grey_rounded,
    join_0713,
    split_0713,
    split_8bit,
    stretched,
    truncated,
)
from regionfuse.fusion.baselines.facts import FACTS
from regionfuse.fusion.baselines.published import SCRIPTS
from regionfuse.fusion.check import check_method
from regionfuse.fusion.chroma import attach_chroma, luminance
from regionfuse.fusion.registry import create, describe, fingerprint
from regionfuse.fusion.run import fuse_pairs
from regionfuse.fusion.weights import save_weights, sha256

sys.path.append(str(Path(__file__).resolve().parents[1]))
from baselines_lively import GAINS, lively, pair


def _sage() -> nn.Module:
    """A network whose output stays between black and white."""
    network = lively(build("sage"), GAINS["sage"])
    state = network.state_dict()
    state["final_decoder.0.weight"] *= 2
    state["final_decoder.0.bias"] += 0.9
    return network


@pytest.fixture(scope="module")
def sage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "checkpoints.pt"
    torch.save(_sage().state_dict(), path)
    return path


def _rgb(height: int = 24, width: int = 40, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (batch, 3, height, width), generator=generator).float() / 255


def _all_colours() -> np.ndarray:
    axis = np.arange(0, 256, 3, dtype=np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return np.ascontiguousarray(grid.reshape(86, -1, 3))


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_fixed_point_planes_are_opencvs() -> None:
    image = _all_colours()
    planes = split_8bit(_tensor(image))
    wanted = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    for index, plane in enumerate((planes.y, planes.cr, planes.cb)):
        assert isinstance(plane, torch.Tensor)
        assert np.array_equal((plane[0, 0] * 255).round().numpy().astype(np.uint8), wanted[..., index])


def test_fixed_point_and_rounded_grey_are_opencvs() -> None:
    image = _all_colours()
    wanted = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.array_equal((grey_8bit(_tensor(image))[0, 0] * 255).round().numpy(), wanted)
    rounded = np.round(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY))
    found = (grey_rounded(_tensor(image))[0, 0] * 255).round().numpy()
    assert (found != rounded).mean() < 1e-4, "halves may round either way"


def test_planes_and_back() -> None:
    rgb = _rgb()
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    planes = split_0713(red)
    assert [round(float(plane), 4) for plane in (planes.y, planes.cr, planes.cb)] == [0.299, 0.9998, 0.3314]
    assert (join_0713(split_0713(rgb)) - rgb).abs().max() < 3e-3  # the inverse has three digits only


def test_truncation_and_stretch() -> None:
    image = torch.tensor([0.0, 0.5, 1.0, 254.9 / 255, -1.0, 2.0]).view(1, 1, 2, 3)
    assert (truncated(image) * 255).round().flatten().tolist() == [0, 127, 255, 254, 0, 255]
    two = torch.stack((torch.linspace(0.2, 0.4, 6).view(1, 2, 3), torch.full((1, 2, 3), 0.3)))
    assert stretched(two)[0].min() == 0
    assert stretched(two)[0].max() == pytest.approx(1.0)
    assert torch.equal(stretched(two)[1], two[1]), "a flat image has nothing to stretch"


class _Stub(nn.Module):
    """Returns a fixed curve of the mean, so that what surrounds the network can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        self.seen.append(visible)
        return 0.9 * (0.5 * visible + 0.5 * infrared) - 0.02


@pytest.mark.parametrize("name", SCRIPTS)
def test_published_steps_by_hand(name: str) -> None:
    """The 8-bit image, worked out in numpy for one pixel after another."""
    stub, rgb, infrared = _Stub(), _rgb(8, 9), _rgb(8, 9)[:, :1].flip(-1)
    made = SCRIPTS[name](stub, infrared, rgb)
    assert made.shape == rgb.shape
    got = (made * 255).round()[0].numpy()
    assert np.allclose(got / 255, made[0].numpy(), atol=1e-6), "whole grey levels"

    red, green, blue = (plane.astype(np.float64) for plane in rgb[0].numpy())
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cr, cb = (red - y) * 0.713, (blue - y) * 0.564
    if name == "sage":
        eight = cv2.cvtColor(
            (rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), cv2.COLOR_RGB2YCrCb
        )
        y, cr, cb = (eight[..., index] / 255.0 for index in range(3))
        cr, cb = cr - 0.5, cb - 0.5
    elif name in ("cddfuse", "ddfm", "dcevo"):
        y = np.round(y * 255) / 255
    assert np.allclose(stub.seen[0][0, 0].numpy(), y, atol=1e-6)
    fused = 0.9 * (0.5 * y + 0.5 * infrared[0, 0].numpy()) - 0.02
    if name in ("piafusion", "piafusion-xrestormer", "ship"):
        fused = fused.clip(0, 1)
    if name in ("cddfuse", "ddfm"):
        fused = (fused - fused.min()) / (fused.max() - fused.min())
    if name in ("cddfuse", "ddfm", "dcevo"):
        wanted = np.stack([fused.clip(0, 1)] * 3)
    else:
        wanted = np.stack([fused + 1.403 * cr, fused - 0.714 * cr - 0.344 * cb, fused + 1.773 * cb]).clip(
            0, 1
        )
    if name == "a2rnet":
        wanted = (wanted - wanted.min()) / (wanted.max() - wanted.min())
    cut = name in ("piafusion", "piafusion-xrestormer", "dcevo", "a2rnet")
    exact = wanted * 255
    levels = np.floor(exact) if cut else np.floor(exact + 0.5)
    clear = np.abs(exact - np.round(exact)) > 1e-3 if cut else np.abs(exact % 1 - 0.5) > 1e-3
    assert np.array_equal(got[clear], levels[clear])
    assert clear.mean() > 0.7


def test_fair_mode_is_the_network_between_the_common_steps(sage: Path) -> None:
    method, network = create("sage", weights=sage), _sage()
    rgb, (_, infrared) = _rgb(), pair(24, 40)
    fused = fuse_tensors(method, infrared, rgb)
    with torch.inference_mode():
        raw = network(luminance(rgb), infrared).clamp(0, 1)
    assert torch.allclose(fused, attach_chroma(raw, rgb), atol=1e-6)
    assert raw.std() > 0.02
    published = fuse_tensors(create("sage:published", weights=sage), infrared, rgb)
    assert (published - fused).abs().max() > 1 / 255


def test_modes_are_told_apart_by_name_title_card_and_fingerprint(sage: Path) -> None:
    fair, published = create("sage", weights=sage), create("sage:published", weights=sage)
    assert (fair.card.name, published.card.name) == ("sage", "sage-published")
    assert (fair.card.title, published.card.title) == ("SAGE", "SAGE (published)")
    assert (fair.card.color, published.card.color) == ("luminance", "rgb")
    assert "the published one differs" in fair.card.notes
    assert fingerprint("sage", sage) == fingerprint("sage:fair", sage) != fingerprint("sage:published", sage)
    with pytest.raises(MethodError, match="sage: no mode 'fare'; expected fair or published"):
        create("sage:fare", weights=sage)
    with pytest.raises(MethodError, match="no fusion method 'average:published'"):
        create("average:published")


@pytest.mark.parametrize("name", FACTS)
def test_without_weights_one_line_says_where_to_get_them(name: str) -> None:
    with pytest.raises(MethodError) as caught:
        create(name)
    message = str(caught.value)
    assert FACTS[name].weights_from in message
    assert "\n" not in message
    assert "--weights" in message
    assert "http" not in message


@pytest.mark.parametrize("name", FACTS)
def test_listing_tells_status_and_facts(name: str) -> None:
    if name == "ddfm":
        pytest.skip("its cost has a test of its own")
    record = describe(name)
    assert record["status"] == ("needs weights" if name == "ddfm" else "trainable")
    for key in ("citation", "year", "code_license", "weights_from", "notes"):
        assert record[key], key
    if name != "piafusion-xrestormer":
        assert record["weights_license"]
        assert record["bibtex"].startswith("@")
        assert record["bibtex"].count("{") == record["bibtex"].count("}")
        assert str(record["year"]) in record["bibtex"]


def test_card_carries_the_hash_and_doubts_unknown_files(sage: Path) -> None:
    method = create("sage", weights=sage)
    assert method.card.weights_sha256 == sha256(sage)
    assert method.card.trained_on == ("FMB",)
    assert "not the one the authors published" in method.card.notes
    assert describe("sage", weights=sage)["status"] == "ready"


def test_weights_trained_here_say_so(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    card = {"method": "piafusion", "encoder": "xrestormer", "trained_on": ["MSRS"], "pairs": 80, "epochs": 3}
    save_weights(lively(build("piafusion-xrestormer")), path, card)
    method = create("piafusion", weights=path)
    assert method.card.trained_on == ("MSRS",)
    assert method.card.title == "PIAFusion (X-Restormer)"
    assert "trained here, 80 pairs, 3 epochs" in method.card.notes
    assert method.fuse(*reversed(pair(16, 24))).shape == (1, 1, 16, 24)
    with pytest.raises(CheckpointError, match="expected weights of sage, found those of piafusion"):
        create("sage", weights=path)


def test_ddfm_takes_a_number_of_steps() -> None:
    with pytest.raises(MethodError, match="expected 2 to 1000 sampling steps, found 1"):
        create("ddfm", weights=Path(__file__), options={"steps": 1})


@pytest.mark.parametrize("spec", ["sage", "sage:published"])
def test_methods_keep_the_contract(spec: str, sage: Path) -> None:
    for result in check_method(spec, weights=sage):
        if result.name not in (
            "roles",
            "colour",
            "range",
        ):  # what random weights do with content is their affair
            assert result.passed, f"{result.name}: {result.message}"


def test_long_methods_report_between_images(tmp_path: Path, sage: Path) -> None:
    """A method that takes long for an image can say so while it works."""
    for folder in ("ir", "vi"):
        write_png(tmp_path / folder / "a.png", np.full((16, 16, 3), 90, np.uint8))
    method = create("sage", weights=sage)
    fuse = method.fuse

    def slow(infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        assert method.on_step is not None
        method.on_step("half way")
        return fuse(infrared, visible)

    method.fuse = slow  # type: ignore[method-assign]
    seen: list[tuple[int, int, str]] = []
    pairs = pair_folders(tmp_path / "ir", tmp_path / "vi")
    fuse_pairs(method, pairs, tmp_path / "out", device="cpu", progress=lambda *report: seen.append(report))
    assert seen == [(0, 1, "half way"), (1, 1, "a")]
    assert method.on_step is None
    assert read_rgb8(tmp_path / "out" / "a.png").shape == (16, 16, 3)


def test_every_gain_belongs_to_a_method() -> None:
    assert set(GAINS) == set(FACTS) == set(SCRIPTS)
