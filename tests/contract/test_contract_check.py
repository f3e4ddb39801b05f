"""What `methods check` finds in networks and rules that run, and what it must not find in sound ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.images import write_png
from regionfuse.fusion import check, check_images, check_tensors
from regionfuse.fusion.check import CheckResult, check_method
from regionfuse.fusion.check_scenes import make_scene, mark_pairs, role_scenes
from regionfuse.fusion.check_tensors import to_tensors
from regionfuse.fusion.registry import create

TEMPLATE = """
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from regionfuse.fusion.apply import call_method
from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod
from regionfuse.fusion.registry import create


class Mine({bases}):
    card = MethodCard(name="mine", title="Mine", kind="external", color={color!r})

    def __init__(self):
        super().__init__()
        {init}

    def fuse(self, i, v):
        {body}
"""


def plugin(
    folder: Path, body: str, *, color: str = "luminance", init: str = "pass", bases: str = "FusionMethod"
) -> str:
    path = folder / "mine.py"
    path.write_text(TEMPLATE.format(body=body, color=color, init=init, bases=bases))
    return f"{path}:Mine"


def failures(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.message for result in results if not result.passed}


def message(results: list[CheckResult], name: str) -> str:
    return next(result.message for result in results if result.name == name)


def test_the_shipped_network_passes_all_checks() -> None:
    results = check_method("regionfuse")
    assert failures(results) == {}
    assert {"mode", "determinism", "batch", "registration", "roles", "colour"} <= {r.name for r in results}
    assert not any("warning" in result.message for result in results)


OFFICIAL = [("sage", "SAGE_checkpoints.pt"), ("ship", "SHIP_model.pth")]


@pytest.mark.parametrize(("name", "file"), OFFICIAL)
def test_official_weights_pass_all_checks(shared: Path, name: str, file: str) -> None:
    results = check_method(name, weights=shared / "data" / "weights" / file)
    assert failures(results) == {}
    assert message(results, "roles").startswith("keeps")


@pytest.mark.parametrize(("name", "file"), OFFICIAL)
def test_official_networks_with_exchanged_images_are_found(
    shared: Path, tmp_path: Path, name: str, file: str
) -> None:
    weights = shared / "data" / "weights" / file
    spec = plugin(
        tmp_path,
        "return call_method(self.method, v, i)",
        init=f"self.method = create({name!r}, weights=Path({str(weights)!r}))",
    )
    found = failures(check_method(spec))
    assert set(found) == {"roles"}
    assert "exchange them where the network is called" in found["roles"]


def test_a_network_that_treats_both_alike_gets_no_advice_when_exchanged(tmp_path: Path) -> None:
    """The shipped network keeps more of both with exchanged images: that must not be taken for a proof."""
    spec = plugin(tmp_path, "return self.method.fuse(v, i)", init="self.method = create('regionfuse')")
    assert failures(check_method(spec)) == {}


MEANS = "b = lambda x: F.avg_pool2d(x, 9, 1, 4); "


@pytest.mark.parametrize(
    "body",
    [
        "return torch.where(v > .6, v, i)",
        "return torch.where(v > .7, v, i)",
        "w = torch.sigmoid(10 * (v - .5)); return w * v + (1 - w) * i",
        MEANS + "return (i - b(i)) + torch.maximum(b(i), b(v))",
    ],
)
def test_exchanged_rules_are_found(tmp_path: Path, body: str) -> None:
    found = failures(check_method(plugin(tmp_path, body)))
    assert set(found) == {"roles"}
    assert "exchange them" in found["roles"]


@pytest.mark.parametrize(
    "body",
    [
        "return torch.where(i > .6, i, v)",
        "w = torch.sigmoid(10 * (i - .5)); return w * i + (1 - w) * v",
        "return .3 * v + .7 * i",
        "return .7 * v + .3 * i",
        "return v + .5 * torch.relu(i - v)",
        MEANS + "return (v - b(v)) + torch.maximum(b(i), b(v))",
        MEANS + "return v + (i - b(i))",  # cautious with the target: not the same as exchanged
    ],
)
def test_sound_rules_are_not_called_exchanged(tmp_path: Path, body: str) -> None:
    results = check_method(plugin(tmp_path, body))
    assert failures(results) == {}
    assert message(results, "roles").startswith("keeps")


def test_where_scenes_disagree_on_the_roles_it_is_a_warning(tmp_path: Path) -> None:
    # Exchanged but for the darkest night.
    body = "a, b = (i, v) if min(i.mean(), v.mean()) < .14 else (v, i); return torch.where(a > .7, a, b)"
    results = check_method(plugin(tmp_path, body))
    assert failures(results) == {}
    assert message(results, "roles").startswith("warning: keeps")


@pytest.mark.parametrize(
    "body",
    [
        "return torch.maximum(i, v) + 0.05 * torch.randn_like(v)",
        "return torch.maximum(i, v) + 0.05 * torch.rand(1)",
    ],
)
def test_batches_of_random_methods_are_not_compared(tmp_path: Path, body: str) -> None:
    results = check_method(plugin(tmp_path, body))
    assert failures(results) == {}
    assert "random by design" in message(results, "batch")


@pytest.mark.parametrize(
    "body",
    [
        "return torch.maximum(i.flip(0), v)",
        "return torch.maximum((i - i.mean()) * .5 + .4, v)",
        "return .2 * F.batch_norm(torch.maximum(i, v), None, None, training=True) + .5",
    ],
)
def test_images_of_a_batch_that_touch_one_another_are_found(tmp_path: Path, body: str) -> None:
    found = failures(check_method(plugin(tmp_path, body)))
    assert set(found) == {"batch"}
    assert "for each image" in found["batch"]


@pytest.mark.parametrize(
    ("body", "expected", "where"),
    [
        ("return torch.where(i > .6, torch.tensor([1., 0, 0]).view(1, 3, 1, 1), v)", "FAIL", "warm target"),
        ("return torch.where(i > .6, v.flip(1), v)", "FAIL", "warm target"),
        ("return (v + torch.tensor([8 / 255, 0, 0]).view(1, 3, 1, 1)).clamp(0, 1)", "FAIL", "hue"),
        ("return v.flip(1)", "FAIL", "BGR"),
        ("return (v * torch.tensor([1.03, 1, .97]).view(1, 3, 1, 1)).clamp(0, 1)", "warning", "slightly"),
        ("return torch.maximum(v, i.expand_as(v))", "warning", "lost on the warm target"),
        ("return torch.where(i > .6, i.expand_as(v), v)", "warning", "lost on the warm target"),
        ("return .5 * v + .5 * i", "ok", "kept"),
        ("return (v + i).clamp(0, 1)", "ok", "kept"),
        ("return (v + (i - v.mean(1, True)).relu()).clamp(0, 1)", "ok", "kept"),
        ("y = v.mean(1, True); return (y + 1.4 * (v - y) + .3 * i).clamp(0, 1)", "ok", "kept"),
        ("return (v * 1.3).clamp(0, 1)", "ok", "kept"),
        ("return v ** .8", "ok", "kept"),
    ],
)
def test_colours_are_looked_at_part_by_part(tmp_path: Path, body: str, expected: str, where: str) -> None:
    results = check_method(plugin(tmp_path, body, color="rgb"))
    found = message(results, "colour")
    assert set(failures(results)) == ({"colour"} if expected == "FAIL" else set())
    assert found.startswith("warning") == (expected == "warning")
    assert where in found


NORM = "nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))"


@pytest.mark.parametrize(
    ("init", "bases", "place"),
    [
        (f"self.model = {NORM}", "FusionMethod", "self.model.1 (BatchNorm2d)"),
        (f"self.parts = {{'a': [{NORM}]}}", "FusionMethod", "self.parts['a'][0].1 (BatchNorm2d)"),
        (f"self.model = {NORM}", "FusionMethod, nn.Module", "self.model.1 (BatchNorm2d)"),
        ("self.model = nn.Dropout(.1)", "FusionMethod", "self.model (Dropout)"),
        (
            "self.model = nn.InstanceNorm2d(1, track_running_stats=True)",
            "FusionMethod",
            "self.model (InstanceNorm2d)",
        ),
    ],
)
def test_networks_in_training_mode_are_found(tmp_path: Path, init: str, bases: str, place: str) -> None:
    body = "return torch.maximum(i, v)"
    found = failures(check_method(plugin(tmp_path, body, init=f"torch.manual_seed(1); {init}", bases=bases)))
    assert set(found) == {"mode"}
    assert place in found["mode"]
    assert "call .eval()" in found["mode"]


def test_a_network_put_into_training_mode_by_fuse_is_found(tmp_path: Path) -> None:
    spec = plugin(tmp_path, "self.network.train(); return v + 0 * i", init=f"self.network = {NORM}")
    assert "take .train() out of fuse" in failures(check_method(spec))["mode"]


@pytest.mark.parametrize(
    "init",
    [
        f"self.network = {NORM}",  # the harness does it
        f"self.model = {NORM}.eval()",
        "self.model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.InstanceNorm2d(1), nn.Dropout(0))",
    ],
)
def test_networks_without_a_mode_or_in_the_right_one_pass(tmp_path: Path, init: str) -> None:
    spec = plugin(tmp_path, "return torch.maximum(i, v)", init=f"torch.manual_seed(1); {init}")
    assert failures(check_method(spec)) == {}


@pytest.mark.parametrize("init", ["self.network = [1]", "self.network = lambda x: x"])
def test_a_network_that_is_none_is_one_line(tmp_path: Path, init: str) -> None:
    (result,) = check_method(plugin(tmp_path, "return torch.maximum(i, v)", init=init))
    assert not result.passed
    assert "torch.nn.Module" in result.message
    assert "\n" not in result.message


STATE = "x = .5 * (i + v); p = getattr(self, 'p', None); "


@pytest.mark.parametrize(
    "body",
    [
        STATE + "self.p = x if p is None or p.shape != x.shape else .9 * p + .1 * x; return self.p",
        STATE + "self.p = x; return x if p is None or p.shape != x.shape else .5 * (p + x)",
        STATE + "self.p = p or {}; return x + .2 * (self.p.setdefault(x.shape, v.mean()) - v.mean())",
    ],
)
def test_memory_of_former_images_is_found(tmp_path: Path, body: str) -> None:
    found = failures(check_method(plugin(tmp_path, body)))
    assert set(found) == {"determinism"}
    assert "depends on what was fused before it" in found["determinism"]


@pytest.mark.parametrize(
    "body",
    [
        "torch.manual_seed(int(time.time())); return .5 * (i + v) + .1 * torch.rand_like(v)",
        "torch.manual_seed(time.time_ns()); return .5 * (i + v) + .1 * torch.rand_like(v)",
        "return .5 * (i + v) + .1 * random.random()",
        "self.k = getattr(self, 'k', 0) + 1; return .5 * (i + v) + .01 * self.k",
    ],
)
def test_chance_and_clock_are_found(tmp_path: Path, body: str) -> None:
    found = failures(check_method(plugin(tmp_path, body)))
    assert set(found) == {"determinism"}
    assert "not by the clock" in found["determinism"]


def test_weights_drawn_at_random_are_found(tmp_path: Path) -> None:
    spec = plugin(tmp_path, "return .5 * i + .1 * self.network(v)", init="self.network = nn.Conv2d(1, 1, 1)")
    found = failures(check_method(spec))
    assert set(found) == {"determinism"}
    assert "load its weights" in found["determinism"]


@pytest.mark.parametrize("image", ["i", "v"])
def test_inputs_that_are_written_to_are_the_only_finding(tmp_path: Path, image: str) -> None:
    found = failures(check_method(plugin(tmp_path, f"{image}.mul_(.99); return torch.maximum(i, v)")))
    assert set(found) == {"inputs"}


def test_tensors_are_copies_of_the_scene() -> None:
    scene = make_scene()
    before = scene.infrared.copy(), scene.visible.copy()
    for tensor in to_tensors(scene):
        tensor.zero_()
    assert np.array_equal(scene.infrared, before[0])
    assert np.array_equal(scene.visible, before[1])


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("return 255 * torch.maximum(i, v)", "range"),
        ("return torch.maximum(i, v).double()", "dtype"),
        ("x = i + v; m = x.amax((1, 2, 3), True); return x / m", "finite"),
    ],
)
def test_what_would_follow_from_a_wrong_scale_is_left_out(tmp_path: Path, body: str, check: str) -> None:
    results = check_method(plugin(tmp_path, body))
    assert set(failures(results)) == {check}
    assert not {"roles", "colour", "registration"} & {result.name for result in results}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return torch.roll(torch.maximum(i, v), 1, -1)", "the image is shifted by (1, 0) pixels"),
        (
            "return torch.roll(torch.maximum(i, v), (2, -3), (-2, -1))",
            "the image is shifted by (-3, 2) pixels",
        ),
        ("return F.pad(.5 * (i + v), (1, 0, 1, 0))[..., :-1, :-1]", "the image is shifted by (1, 1) pixels"),
        ("return torch.roll(v, 3, -2)", "the image is shifted by (0, 3) pixels"),
        ("return .5 * (v + torch.roll(i, 2, -1))", "what comes from the infrared image is shifted by (2, 0)"),
        ("return torch.maximum(i, v).flip(-1)", "flipped (left to right)"),
        ("return torch.maximum(i, v).flip(-2)", "flipped (upside down)"),
        ("return .5 * (i + v).flip(-2, -1)", "flipped (both ways)"),
    ],
)
def test_images_in_another_place_are_found(tmp_path: Path, body: str, found: str) -> None:
    results = check_method(plugin(tmp_path, body))
    assert set(failures(results)) == {"registration"}
    assert found in message(results, "registration")


HALF = "F.interpolate(F.avg_pool2d(.5 * (i + v), 2, ceil_mode=True), size=v.shape[-2:]"


@pytest.mark.parametrize(
    "body",
    [
        "return v.clone()",
        "return i.clone()",
        "return F.avg_pool2d(.5 * (i + v), 9, 1, 4)",
        "return 1 - torch.maximum(i, v)",
        "return torch.where(i > .8, i, .1 * v)",
        "return .5 + .2 * torch.rand_like(v)",  # nothing of the pair at all: that is for others to say
        f"return {HALF}, mode='nearest')",
        f"return {HALF}, mode='bilinear')",
    ],
)
def test_blurred_and_odd_images_are_in_their_place(tmp_path: Path, body: str) -> None:
    assert failures(check_method(plugin(tmp_path, body))) == {}


def test_spots_of_the_pairs_for_registration_are_apart() -> None:
    for pair in mark_pairs():
        half = pair.infrared.shape[1] // 2
        assert float(np.ptp(pair.infrared[:, :half])) == 0 < float(np.ptp(pair.infrared[:, half:]))
        assert float(np.ptp(pair.visible[:, half:])) == 0 < float(np.ptp(pair.visible[:, :half]))


def test_scenes_differ_and_none_is_clipped() -> None:
    scenes = role_scenes()
    for index, scene in enumerate(scenes):
        assert scene.visible.min() > 0
        assert scene.visible.max() < 1
        for other in scenes[index + 1 :]:
            apart = (
                np.abs(scene.infrared - other.infrared).mean(),
                np.abs(scene.visible - other.visible).mean(),
            )
            assert max(apart) > 0.04


def test_a_folder_of_grey_images_is_a_warning(tmp_path: Path) -> None:
    grey = np.arange(20 * 30, dtype=np.uint32).reshape(20, 30).astype(np.uint8)
    for number in range(3):
        write_png(tmp_path / f"{number}.png", grey)
    results = check_method(f"folder:{tmp_path}")
    assert failures(results) == {}
    assert message(results, "images").startswith("warning: 3 images")
    assert "grey" in message(results, "images")
    write_png(tmp_path / "1.png", np.stack((grey, grey // 2, grey // 3), axis=-1))
    assert not message(check_method(f"folder:{tmp_path}"), "images").startswith("warning")


@pytest.mark.parametrize(
    "body",
    [
        "torch.zeros(10 ** 13); return v",
        "self.k = getattr(self, 'k', 0) + 1; torch.zeros(1 if self.k < 6 else 10 ** 13); return i + 0 * v",
    ],
)
def test_no_memory_is_one_line(tmp_path: Path, body: str) -> None:
    found = failures(check_method(plugin(tmp_path, body)))
    assert found
    for text in found.values():
        assert text.startswith("memory ran out")
        assert "\n" not in text


def test_a_method_that_fails_later_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = create("maximum")

    def fail(*_: object) -> None:
        raise ValueError("no\nthing")

    monkeypatch.setattr(method, "fuse", fail)
    result = check._guarded("dtype", lambda: check_tensors.check_dtype(method))
    assert not result.passed
    assert "ValueError: no thing" in result.message


COMMAND = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image

infrared, visible, out = (Path(arg) for arg in sys.argv[1:4])
with open({log!r}, "a") as log:
    log.write("started\\n")
before = 0.0
for path in sorted(visible.iterdir()):
    warm = np.asarray(Image.open(infrared / path.name).convert("L"), dtype=float)
    seen = np.asarray(Image.open(path).convert("RGB"), dtype=float)
    fused = seen + np.maximum(warm - seen.mean(axis=2), 0)[..., None]
    {body}
    Image.fromarray(np.clip(np.rint(fused), 0, 255).astype(np.uint8)).save(out / (path.stem + ".png"))
"""


def command(folder: Path, body: str) -> str:
    (folder / "foreign.py").write_text(COMMAND.format(log=str(folder / "log.txt"), body=body))
    return f"command:'{sys.executable}' '{folder / 'foreign.py'}' {{infrared}} {{visible}} {{out}}"


def test_a_program_is_started_a_handful_of_times(tmp_path: Path) -> None:
    assert failures(check_method(command(tmp_path, "pass"))) == {}
    assert len((tmp_path / "log.txt").read_text().splitlines()) <= 5


@pytest.mark.parametrize(
    ("body", "check", "text"),
    [
        ("fused = np.roll(fused, 2, axis=1)", "registration", "shifted by (2, 0)"),
        ("fused, before = fused * 0.9 + before, fused.mean() * 0.1", "determinism", "fused before it"),
        ("fused[warm > 150] = (255, 0, 0)", "colour", "warm target"),
    ],
)
def test_programs_are_checked_in_the_same_way(tmp_path: Path, body: str, check: str, text: str) -> None:
    found = failures(check_method(command(tmp_path, body)))
    assert set(found) == {check}
    assert text in found[check]


def test_the_clock_is_itself_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    real = time.time
    times: list[float] = []

    def run(pairs: object) -> list[np.ndarray]:
        times.append(time.time())
        return [np.zeros((2, 2, 3), np.float32)] * 3

    check_images.check_determinism(run)
    assert times[1] - times[0] > 3600
    assert time.time is real
