"""Every built-in method keeps the contract, and `methods check` finds what users' methods do wrong."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.errors import MethodError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.check import CheckResult, check_method
from regionfuse.fusion.registry import create
from regionfuse.fusion.run import fuse_pairs

TEMPLATE = """
import torch
from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod

class Mine(FusionMethod):
    card = MethodCard(name={name!r}, title="Mine", kind="external", color={color!r}, stride={stride})
    def fuse(self, infrared, visible):
        {body}
"""


def plugin(folder: Path, body: str, *, color: str = "luminance", stride: int = 1, name: str = "mine") -> str:
    path = folder / "mein Plugin.py"
    path.write_text(TEMPLATE.format(body=body, color=color, stride=stride, name=name))
    return f"{path}:Mine"


def failures(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.message for result in results if not result.passed}


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    random = np.random.default_rng(0)
    made = []
    for number, (height, width) in enumerate([(24, 31), (24, 31), (17, 40)]):
        stem = f"Straße {number}"
        pair = Pair(stem, tmp_path / "ir ü" / f"{stem}.png", tmp_path / "vi ü" / f"{stem}.png", width, height)
        write_png(pair.infrared, random.integers(0, 256, (height, width), dtype=np.uint8))
        write_png(pair.visible, random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        made.append(pair)
    return made


@pytest.mark.parametrize("name", ["visible", "infrared", "average", "maximum", "laplacian", "guided"])
def test_built_in_methods_keep_the_contract(name: str) -> None:
    results = check_method(name)
    assert failures(results) == {}
    assert len(results) > 8


@pytest.mark.parametrize("stride", [1, 16])
@pytest.mark.parametrize(
    ("color", "body"),
    [
        ("luminance", "return torch.where(infrared > 0.6, infrared, visible)"),
        ("rgb", "return (visible + 0.5 * (infrared - visible.mean(1, keepdim=True))).clamp(0, 1)"),
        ("luminance", "return 0.5 * infrared + 0.5 * visible + 0.001 * torch.rand_like(visible)"),
    ],
)
def test_good_python_files_pass(tmp_path: Path, color: str, body: str, stride: int) -> None:
    assert failures(check_method(plugin(tmp_path, body, color=color, stride=stride))) == {}


@pytest.mark.parametrize(
    ("check", "body", "color", "message"),
    [
        ("run", "raise KeyError('thing')", "luminance", "KeyError: 'thing'"),
        ("run", "return visible[..., 1:]", "luminance", "expected a float32 tensor of shape"),
        ("run", "return visible[..., ::2, ::2]", "luminance", "set stride in the card"),
        ("run", "return visible.expand(-1, 3, -1, -1)", "luminance", "set color='rgb' in the card"),
        ("run", "return visible[:, :1]", "rgb", "as many channels as the visible image has"),
        ("run", "return visible[0, 0]", "luminance", "keep the dimensions B x C x H x W"),
        ("run", "return (visible * 255).byte()", "luminance", "fused.float() / 255"),
        ("run", "return visible / 0 * 0", "luminance", "look for a division by zero"),
        ("run", "return visible.numpy()", "luminance", "torch.from_numpy"),
        ("dtype", "return visible.double()", "luminance", "return fused.float()"),
        ("range", "return 255 * torch.maximum(infrared, visible)", "luminance", "divide by 255"),
        ("range", "return 2 * torch.maximum(infrared, visible) - 1.5", "luminance", "outside"),
        ("range", "return visible * 0 + 0.5", "luminance", "flat image"),
        (
            "finite",
            "x = infrared + visible; lo, hi = x.amin((1, 2, 3), True), x.amax((1, 2, 3), True); "
            "return (x - lo) / (hi - lo)",
            "luminance",
            "guard divisions",
        ),
        (
            "batch",
            "x = infrared + visible ** 2; return (x - x.min()) / (x.max() - x.min() + 1e-6)",
            "luminance",
            "for each image",
        ),
        (
            "determinism",
            "import random; return (infrared + visible) / 2 + 0.1 * random.random()",
            "luminance",
            "draw random numbers from torch",
        ),
        ("inputs", "infrared.mul_(0.5); return infrared + 0.5 * visible", "luminance", "in place"),
        ("roles", "return torch.where(visible > 0.7, visible, infrared)", "luminance", "the order is fuse"),
        ("colour", "return (visible + infrared).flip(1) / 2", "rgb", "BGR"),
        ("colour", "return (visible * torch.tensor([1, .6, .6]).view(1, 3, 1, 1))", "rgb", "colours changed"),
    ],
)
def test_what_python_files_do_wrong_is_found(
    tmp_path: Path, check: str, body: str, color: str, message: str
) -> None:
    found = failures(check_method(plugin(tmp_path, body, color=color)))
    assert check in found
    assert message in found[check]
    assert "\n" not in found[check]


def test_what_is_seldom_different_is_found_and_batches_are_not_blamed(tmp_path: Path) -> None:
    body = (
        "self.calls = getattr(self, 'calls', 0) + 1; "
        "return (infrared + visible) / 2 + 0.1 * (self.calls == 7)"
    )
    found = failures(check_method(plugin(tmp_path, body)))
    assert set(found) == {"determinism"}


@pytest.mark.parametrize(
    ("body", "color", "check", "message"),
    [
        ("return visible.clone()", "luminance", "roles", "warning: a warm target"),
        ("return infrared.clone()", "luminance", "roles", "warning: visible texture"),
        (
            "return ((infrared + visible.mean(1, True)) / 2).expand_as(visible)",
            "rgb",
            "colour",
            "warning: the image",
        ),
    ],
)
def test_what_is_odd_but_allowed_is_a_warning(
    tmp_path: Path, body: str, color: str, check: str, message: str
) -> None:
    results = check_method(plugin(tmp_path, body, color=color))
    assert failures(results) == {}
    assert next(r.message for r in results if r.name == check).startswith(message)


def test_card_is_checked(tmp_path: Path) -> None:
    found = failures(
        check_method(plugin(tmp_path, "return visible", color="yuv", name="My Method", stride=0))
    )
    assert "lower case" in found["create"]
    assert "'yuv' is not one of luminance, rgb" in found["create"]
    assert "stride 0" in found["create"]


def test_a_method_that_cannot_be_made_is_one_result() -> None:
    results = check_method("laplacain")
    assert [result.name for result in results] == ["create"]
    assert "laplacian" in results[0].message


def test_folder_door(pairs: list[Pair], tmp_path: Path) -> None:
    folder = tmp_path / "fused elsewhere"
    for pair, suffix in zip(pairs, (".png", ".JPG", ".bmp"), strict=True):
        image = np.full((pair.height, pair.width, 3), (10, 120, 200), np.uint8)
        write_png(folder / f"{pair.stem}.png", image)
        if suffix != ".png":
            from PIL import Image

            Image.fromarray(image).save(folder / f"{pair.stem}{suffix}", quality=95)
            (folder / f"{pair.stem}.png").unlink()
    (folder / "readme.txt").write_text("not an image")
    timing = fuse_pairs(create(f"folder:{folder}"), pairs, tmp_path / "out")
    assert (timing.images, timing.device) == (3, "external")
    assert math.isnan(timing.seconds_per_image)
    for pair in pairs:
        fused = read_rgb8(tmp_path / "out" / f"{pair.stem}.png")
        assert fused.shape == (pair.height, pair.width, 3)
        assert np.abs(fused.astype(int) - (10, 120, 200)).max() <= 3
    assert failures(check_method(f"folder:{folder}")) == {}
    assert fuse_pairs(create(f"folder:{folder}"), pairs, tmp_path / "out").images == 0


def test_folder_door_takes_grey_as_it_is(pairs: list[Pair], tmp_path: Path) -> None:
    folder = tmp_path / "grey"
    grey = np.arange(24 * 31, dtype=np.uint32).reshape(24, 31).astype(np.uint8)
    write_png(folder / f"{pairs[0].stem}.png", grey)
    fuse_pairs(create(f"folder:{folder}"), pairs[:1], tmp_path / "out")
    written = read_rgb8(tmp_path / "out" / f"{pairs[0].stem}.png")
    assert np.array_equal(written, np.repeat(grey[..., None], 3, axis=2))


def test_folder_door_reports_all_that_is_missing_at_once(pairs: list[Pair], tmp_path: Path) -> None:
    folder = tmp_path / "few"
    write_png(folder / f"{pairs[0].stem}_fused.png", np.zeros((24, 31), np.uint8))
    with pytest.raises(
        MethodError,
        match=r"few: 3 of 3 fused images are missing in .*: Straße 0, Straße 1, Straße 2; .*_fused",
    ):
        fuse_pairs(create(f"folder:{folder}"), pairs, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_folder_door_refuses_other_sizes_and_two_files_of_a_stem(pairs: list[Pair], tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    for pair in pairs:
        write_png(folder / f"{pair.stem}.png", np.zeros((24, 31), np.uint8))
    with pytest.raises(MethodError, match="'Straße 2': expected 40 x 17 pixels, found 31 x 24"):
        fuse_pairs(create(f"folder:{folder}"), pairs, tmp_path / "out")
    (folder / f"{pairs[0].stem}.jpg").write_bytes(b"")
    with pytest.raises(MethodError, match="keep one image for each stem"):
        fuse_pairs(create(f"folder:{folder}"), pairs[:1], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "no image" in failures(check_method(f"folder:{tmp_path / 'empty'}"))["images"]


SCRIPT = """
import sys
from pathlib import Path
import cv2, numpy as np

def load(path, flag):
    return cv2.imdecode(np.fromfile(path, np.uint8), flag)

infrared, visible, out = (Path(arg) for arg in sys.argv[1:4])
for path in sorted(visible.iterdir()):
    seen = load(path, cv2.IMREAD_COLOR)
    warm = load(infrared / path.name, cv2.IMREAD_GRAYSCALE)
    ycc = cv2.cvtColor(seen, cv2.COLOR_BGR2YCrCb)
    {body}
    fused = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR)
    (out / (path.stem + ".png")).write_bytes(cv2.imencode(".png", fused)[1].tobytes())
{end}
"""


def command(folder: Path, body: str = "ycc[..., 0] = ycc[..., 0] // 2 + warm // 2", end: str = "") -> str:
    script = folder / "foreign code.py"
    script.write_text(SCRIPT.format(body=body, end=end))
    return f"command:'{sys.executable}' '{script}' {{infrared}} {{visible}} {{out}}"


def test_command_door(pairs: list[Pair], tmp_path: Path) -> None:
    out = tmp_path / "aus gabe"
    seen: list[tuple[int, int, str]] = []
    timing = fuse_pairs(create(command(tmp_path)), pairs, out, progress=lambda *a: seen.append(a))
    assert timing.images == 3
    assert timing.device == "external"
    assert 0 < timing.seconds_per_image < 60
    assert seen[-1][:2] == (3, 3)
    assert sorted(path.name for path in out.iterdir()) == [f"{pair.stem}.png" for pair in pairs]
    for pair in pairs:
        assert read_rgb8(out / f"{pair.stem}.png").shape == (pair.height, pair.width, 3)
    assert fuse_pairs(create(command(tmp_path)), pairs, out).images == 0


def test_command_door_is_checked_like_a_method(tmp_path: Path) -> None:
    good = check_method(command(tmp_path))
    assert failures(good) == {}
    assert {"run", "determinism", "roles", "colour"} <= {result.name for result in good}
    swapped = command(tmp_path, "ycc[..., 1], ycc[..., 2] = ycc[..., 2].copy(), ycc[..., 1].copy()")
    assert "colour" in failures(check_method(swapped))


SWAPPED = "ycc[..., 0] = np.where(ycc[..., 0] > 178, ycc[..., 0], warm)"


@pytest.mark.parametrize(
    ("check", "body", "message"),
    [
        ("run", "ycc = ycc[1:]", "fuse at the size of the input"),
        ("range", "ycc[...] = 128; ycc[..., 0] = warm // 200", "multiply by 255"),
        ("determinism", "ycc[..., 0] = ycc[..., 0] // 2 + warm // 3 + np.random.randint(40)", "fix the seed"),
        ("roles", SWAPPED, "exchange {infrared} and {visible}"),
    ],
)
def test_what_commands_do_wrong_is_found(tmp_path: Path, check: str, body: str, message: str) -> None:
    found = failures(check_method(command(tmp_path, body)))
    assert check in found
    assert message in found[check]


def test_a_folder_of_images_on_the_wrong_scale(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.eye(20, dtype=np.uint8))
    message = failures(check_method(f"folder:{tmp_path}"))["images"]
    assert "a.png" in message and "multiply by 255" in message
    write_png(tmp_path / "a.png", np.full((20, 20), 90, np.uint8))
    assert "flat image of grey level 90" in failures(check_method(f"folder:{tmp_path}"))["images"]


@pytest.mark.parametrize(
    ("body", "end", "message"),
    [
        ("raise ValueError('no such layer')", "", r"ended with status 1: .*ValueError: no such layer"),
        ("if '1' in path.stem: continue", "print('skipped some')", r"1 of 3 .* Straße 1; .*skipped some"),
        ("ycc = ycc[:-1]", "", r"expected 31 x 24 pixels, found 31 x 23"),
        ("pass", "sys.exit(7)", r"ended with status 7: it printed nothing"),
    ],
)
def test_command_that_fails_is_one_line(
    pairs: list[Pair], tmp_path: Path, body: str, end: str, message: str
) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        fuse_pairs(create(command(tmp_path, body, end)), pairs, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_command_needs_no_shell_and_no_program_is_an_error(pairs: list[Pair], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    spec = f"command:true {{infrared}} {{visible}} {{out}} ; touch {marker}"
    with pytest.raises(MethodError, match="3 of 3 fused images are missing"):
        fuse_pairs(create(spec), pairs, tmp_path / "out")
    assert not marker.exists()
    with pytest.raises(MethodError, match="cannot run 'no-such-program'"):
        fuse_pairs(create("command:no-such-program {infrared} {visible} {out}"), pairs, tmp_path / "out")


def test_finished_images_cannot_be_called_on_tensors(tmp_path: Path) -> None:
    import torch

    with pytest.raises(MethodError, match="delivers finished images"):
        create(f"folder:{tmp_path}").fuse(torch.zeros(1, 1, 2, 2), torch.zeros(1, 3, 2, 2))
