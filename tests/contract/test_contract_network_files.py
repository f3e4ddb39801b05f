"""Networks in files: ONNX and TorchScript, their input conventions, cards, and errors."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import MethodError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.apply import fuse_tensors
from regionfuse.fusion.check import check_method
from regionfuse.fusion.chroma import luminance
from regionfuse.fusion.contamination import training_data
from regionfuse.fusion.doors.ports import Port, roles_of
from regionfuse.fusion.registry import create, describe, fingerprint
from regionfuse.fusion.run import fuse_pairs

sys.path.append(str(Path(__file__).resolve().parents[1]))
import onnx_toy

needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None,
    reason="onnxruntime is not installed: pip install 'regionfuse[onnx]'",
)


class Brighter(torch.nn.Module):
    def forward(self, vis: torch.Tensor, ir: torch.Tensor) -> torch.Tensor:
        return torch.maximum(vis, ir)


class Colour(torch.nn.Module):
    """A network that takes RGB; ``out`` is 3, or 1 for luminance out of it."""

    def __init__(self, out: int = 3) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(4, out, 1, bias=False)
        with torch.no_grad():
            self.mix.weight.fill_(0.25 if out == 1 else 0.0)
            if out == 3:
                self.mix.weight[:, :3, 0, 0] = 0.75 * torch.eye(3)
                self.mix.weight[:, 3] = 0.25

    def forward(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat((visible, infrared), 1))


class Halved(torch.nn.Module):
    """Needs even sides, as every network that halves its images."""

    def forward(self, ir: torch.Tensor, vis: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.avg_pool2d(torch.maximum(ir, vis), 2)
        return torch.nn.functional.interpolate(small, scale_factor=2.0)


def scripted(path: Path, network: torch.nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network.eval()).save(str(path))
    return path


def card(path: Path, **entries: object) -> Path:
    path.with_name(path.name + ".json").write_text(json.dumps(entries), encoding="utf-8")
    return path


def images(height: int = 37, width: int = 53, number: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    visible = 0.25 + 0.5 * torch.rand((number, 3, height, width), generator=generator)
    return torch.rand((number, 1, height, width), generator=generator), visible


def failures(spec: Path) -> dict[str, str]:
    return {result.name: result.message for result in check_method(str(spec)) if not result.passed}


@needs_onnx
def test_onnx_luminance(tmp_path: Path) -> None:
    method = create(str(onnx_toy.maximum(tmp_path / "Mein Netz.onnx", ("img_ir", "img_vis"))))
    assert (method.card.name, method.card.title, method.card.color) == ("mein-netz", "Mein Netz", "luminance")
    assert len(method.card.weights_sha256) == 64
    infrared, visible = images()
    fused = fuse_tensors(method, infrared, visible)
    expected = torch.maximum(infrared, luminance(visible))
    # the median: where the chroma that is re-attached leaves [0, 1], clipping changes Y
    assert (luminance(fused) - expected).abs().median() < 1e-5
    assert failures(tmp_path / "Mein Netz.onnx") == {}
    record = describe(str(tmp_path / "Mein Netz.onnx"))
    assert record["parameters"] is record["multiply_accumulates"] is None  # torch cannot count them


@needs_onnx
def test_onnx_rgb(tmp_path: Path) -> None:
    method = create(str(onnx_toy.colour(tmp_path / "colour.onnx")))
    assert method.card.color == "rgb"
    infrared, visible = images()
    assert torch.allclose(
        fuse_tensors(method, infrared, visible), 0.75 * visible + 0.25 * infrared, atol=1e-5
    )


@needs_onnx
def test_onnx_files_go_through_the_whole_path(tmp_path: Path) -> None:
    pair = Pair("a", tmp_path / "ir" / "a.png", tmp_path / "vi" / "a.png", 40, 31)
    grey = np.arange(31 * 40, dtype=np.uint32).reshape(31, 40).astype(np.uint8)
    write_png(pair.infrared, grey)
    write_png(pair.visible, np.full((31, 40, 3), 128, np.uint8))
    fuse_pairs(create(str(onnx_toy.maximum(tmp_path / "n.onnx"))), [pair], tmp_path / "out")
    assert np.array_equal(read_rgb8(tmp_path / "out" / "a.png")[..., 0], np.maximum(grey, 128))


@needs_onnx
@pytest.mark.parametrize("size", [(24, 32), (64, 24), (80, 96)])
def test_onnx_of_a_fixed_size_sees_windows(tmp_path: Path, size: tuple[int, int]) -> None:
    """Windows of the one size, blended; images smaller than it are reflected."""
    fixed = create(str(onnx_toy.maximum(tmp_path / "fixed.onnx", batch=1, size=size)))
    free = create(str(onnx_toy.maximum(tmp_path / "free.onnx")))
    infrared, visible = images()
    assert torch.allclose(
        fuse_tensors(fixed, infrared, visible), fuse_tensors(free, infrared, visible), atol=1e-5
    )


@needs_onnx
def test_onnx_in_half_precision(tmp_path: Path) -> None:
    method = create(str(onnx_toy.maximum(tmp_path / "half.onnx", kind=onnx_toy.FLOAT16)))
    infrared, visible = images()
    fused = method.fuse(infrared, visible[:, :1])
    assert fused.dtype == torch.float32
    assert torch.allclose(fused, torch.maximum(infrared, visible[:, :1]), atol=1e-3)


@needs_onnx
def test_onnx_with_free_channels_is_asked_by_trying_or_by_its_card(tmp_path: Path) -> None:
    path = onnx_toy.maximum(tmp_path / "any.onnx", channels="c")
    assert create(str(path)).card.color == "luminance"
    assert create(str(card(path, color="rgb"))).card.color == "rgb"


@needs_onnx
def test_what_is_wrong_with_onnx_files(tmp_path: Path) -> None:
    names = onnx_toy.maximum(tmp_path / "names.onnx", ("input1", "input2"))
    with pytest.raises(MethodError, match=r"which of the inputs 'input1' and 'input2'.*names\.onnx\.json"):
        create(str(names))
    assert create(str(card(names, inputs=["infrared", "visible"]))).card.name == "names"
    shape = onnx_toy.maximum(tmp_path / "nhwc.onnx", channels=32, size=(32, 3))
    with pytest.raises(MethodError, match=r"shape \? x 32 x 32 x 3; expected B x 1 x H x W"):
        create(str(shape))
    with pytest.raises(MethodError, match=r"is a tensor.uint8"):
        create(str(onnx_toy.maximum(tmp_path / "bytes.onnx", kind=onnx_toy.UINT8)))
    with pytest.raises(MethodError, match="takes 4 images at once"):
        create(str(onnx_toy.maximum(tmp_path / "four.onnx", batch=4)))
    (tmp_path / "broken.onnx").write_bytes(b"no graph at all")
    with pytest.raises(MethodError, match="onnxruntime cannot load it"):
        create(str(tmp_path / "broken.onnx"))
    with pytest.raises(MethodError, match=r"color: the card says rgb"):
        create(str(card(onnx_toy.maximum(tmp_path / "y.onnx"), color="rgb")))
    two = onnx_toy.write_onnx(
        tmp_path / "two.onnx",
        [onnx_toy.node("Max", ["vi", "ir"], "a"), onnx_toy.node("Min", ["vi", "ir"], "b")],
        {"vi": ("n", 1, "h", "w"), "ir": ("n", 1, "h", "w")},
        {"a": ("n", 1, "h", "w"), "b": ("n", 1, "h", "w")},
    )
    with pytest.raises(MethodError, match=r'has 2 outputs \(a, b\); write \{"output": "a"\}'):
        create(str(two))
    infrared, visible = images()
    fused = create(str(card(two, output="b"))).fuse(infrared, visible[:, :1])
    assert torch.equal(fused, torch.minimum(infrared, visible[:, :1]))


def test_onnx_without_onnxruntime_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    path = onnx_toy.maximum(tmp_path / "n.onnx")
    with pytest.raises(MethodError, match=r"pip install 'regionfuse\[onnx\]'") as caught:
        create(str(path))
    assert "\n" not in str(caught.value)


def test_torchscript_luminance(tmp_path: Path) -> None:
    path = scripted(tmp_path / "brighter.pt", Brighter())
    method = create(str(path))
    assert (method.card.color, method.card.kind) == ("luminance", "learned")
    infrared, visible = images()
    assert torch.equal(method.fuse(infrared, visible[:, :1]), torch.maximum(infrared, visible[:, :1]))
    assert failures(path) == {}


def test_torchscript_rgb_is_found_by_trying(tmp_path: Path) -> None:
    path = scripted(tmp_path / "colour.ts", Colour())
    method = create(str(path))
    assert method.card.color == "rgb"
    infrared, visible = images()
    assert torch.allclose(
        fuse_tensors(method, infrared, visible), 0.75 * visible + 0.25 * infrared, atol=1e-5
    )
    record = describe(str(path))
    assert (record["parameters"], record["multiply_accumulates"]) == (12, 12 * 480 * 640)
    assert failures(path) == {}


def test_luminance_out_of_rgb_keeps_the_colours(tmp_path: Path) -> None:
    path = scripted(tmp_path / "grey.pt", Colour(out=1))
    assert create(str(path)).card.color == "rgb"
    assert failures(path) == {}  # the check of colours among them


def test_stride_is_stated_in_the_card(tmp_path: Path) -> None:
    path = scripted(tmp_path / "halved.pt", Halved())
    found = failures(path)
    assert set(found) == {"run"} and "stride" in found["run"] and "halved.pt.json" in found["run"]
    assert failures(card(path, stride=2)) == {}
    assert create(str(path)).card.stride == 2


def test_size_is_stated_in_the_card(tmp_path: Path) -> None:
    path = card(scripted(tmp_path / "b.pt", Brighter()), size=[16, 48])
    infrared, visible = images()
    fused = create(str(path)).fuse(infrared, visible[:, :1])
    assert torch.allclose(fused, torch.maximum(infrared, visible[:, :1]), atol=1e-5)


def test_card_beside_the_file(tmp_path: Path) -> None:
    path = scripted(tmp_path / "net.pt", Brighter())
    before = fingerprint(str(path))
    card(path, name="swin", title="Swin", citation="A. B., 2024", year=2024, trained_on=["MSRS"], color="rgb")
    method = create(str(path), options={"trained_on": ["M3FD"]})
    assert (method.card.name, method.card.title, method.card.year) == ("swin", "Swin", 2024)
    assert (method.card.trained_on, method.card.color) == (("M3FD",), "rgb")
    assert fingerprint(str(path)) != before
    assert training_data(str(path)).names == ("MSRS",)
    assert training_data(str(path), options={"trained_on": ["TNO"]}).names == ("TNO",)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"titel": "x"}, "unknown entry 'titel'; did you mean 'title'"),
        ({"sha256": "0" * 64}, "is the card of another file"),
        ({"stride": 0}, "stride: expected a whole number"),
        ({"size": 480}, r"size: expected \[height, width\]"),
        ({"inputs": ["ir", "vis"]}, "inputs: expected"),
        ({"color": "yuv"}, "color: expected luminance or rgb"),
    ],
)
def test_cards_that_are_wrong(tmp_path: Path, entries: dict[str, object], message: str) -> None:
    path = card(scripted(tmp_path / "net.pt", Brighter()), **entries)
    with pytest.raises(MethodError, match=message):
        create(str(path))


def test_what_is_wrong_with_torchscript_files(tmp_path: Path) -> None:
    checkpoint = tmp_path / "epoch_9.pt"
    torch.save({"weight": torch.zeros(2)}, checkpoint)
    with pytest.raises(MethodError, match=r"a checkpoint .* goes to --weights"):
        create(str(checkpoint))
    (tmp_path / "text.pth").write_text("nothing")
    with pytest.raises(MethodError, match=r"saved by torch\.jit\.save"):
        create(str(tmp_path / "text.pth"))
    with pytest.raises(MethodError, match="there is no file"):
        create(str(tmp_path / "absent.pt"))
    whole = scripted(tmp_path / "net.pt", Brighter())
    with pytest.raises(MethodError, match="takes no weights"):
        create(str(whole), weights=checkpoint)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(MethodError, match=r"cut\.pt: expected a network saved"):
        create(str(cut))

    class Single(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image

    with pytest.raises(MethodError, match=r"expected two inputs, .* found 1: image"):
        create(str(scripted(tmp_path / "one.pt", Single())))

    class Raises(torch.nn.Module):
        def forward(self, ir: torch.Tensor, vis: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no such thing")

    with pytest.raises(MethodError, match=r"failed on 1 x 1 x 128 x 128 .* no such thing") as caught:
        create(str(scripted(tmp_path / "raises.pt", Raises())))
    assert "\n" not in str(caught.value)


class Warm(torch.nn.Module):
    """Takes the bright parts of its first image into its second: wrong when the roles are exchanged."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0.7, x, y)


def test_exchanged_inputs_are_found(tmp_path: Path) -> None:
    path = scripted(tmp_path / "warm.pt", Warm())
    assert failures(card(path, inputs=["infrared", "visible"])) == {}
    assert "warm.pt.json" in failures(card(path, inputs=["visible", "infrared"]))["roles"]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("vis", "ir"), ("visible", "infrared")),
        (("imgIR", "imgVI"), ("infrared", "visible")),
        (("thermal_image", "rgb_image"), ("infrared", "visible")),
        (("image", "infrared"), ("visible", "infrared")),
        (("vis1", "x2"), ("visible", "infrared")),
        (("visible_y", "ir_1"), ("visible", "infrared")),
    ],
)
def test_names_of_inputs(names: tuple[str, str], roles: tuple[str, str]) -> None:
    assert roles_of(Path("n.onnx"), [Port(name) for name in names], None) == roles


@pytest.mark.parametrize("names", [("a", "b"), ("ir1", "ir2"), ("vis_ir", "x"), ("mirror", "divide")])
def test_names_that_tell_nothing(names: tuple[str, str]) -> None:
    with pytest.raises(MethodError, match="cannot tell which"):
        roles_of(Path("n.onnx"), [Port(name) for name in names], None)
