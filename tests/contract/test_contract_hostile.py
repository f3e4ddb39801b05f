"""What foreign code may do without taking the harness, or the user's images, with it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, ConfigError, MethodError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion import registry
from regionfuse.fusion.methods.trivial import Average
from regionfuse.fusion.registry import create, describe, describe_all
from regionfuse.fusion.run import fuse_pairs, resolve_device
from regionfuse.fusion.weights import load_foreign
from regionfuse.pipeline.commands.fuse import ORIGIN, fuse
from regionfuse.pipeline.commands.score import score
from regionfuse.pipeline.console import Screen

TEMPLATE = """
import torch
from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod

class Mine(FusionMethod):
    card = MethodCard(name="mine", title="Mine", kind="external"{facts})
    {extra}
    def __init__(self):
        {start}
    def fuse(self, infrared, visible):
        {body}
"""


def plugin(
    folder: Path, body: str = "return visible", *, start: str = "pass", extra: str = "", facts: str = ""
) -> str:
    path = folder / "mine.py"
    path.write_text(TEMPLATE.format(body=body, start=start, extra=extra, facts=facts))
    return f"{path}:Mine"


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    random = np.random.default_rng(0)
    made = []
    for stem in ("a", "b"):
        pair = Pair(stem, tmp_path / "ir" / f"{stem}.png", tmp_path / "vis" / f"{stem}.png", 32, 24)
        write_png(pair.infrared, random.integers(0, 256, (24, 32), dtype=np.uint8))
        write_png(pair.visible, random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        made.append(pair)
    return made


def contents(pairs: list[Pair]) -> list[bytes]:
    return [path.read_bytes() for pair in pairs for path in (pair.infrared, pair.visible)]


@pytest.mark.parametrize("leave", ["raise SystemExit(0)", "import sys; sys.exit()", "exit()"])
def test_a_method_that_calls_exit_is_an_error(tmp_path: Path, pairs: list[Pair], leave: str) -> None:
    with pytest.raises(MethodError, match=r"mine: failed on image 'a'.*SystemExit"):
        fuse_pairs(create(plugin(tmp_path, leave)), pairs, tmp_path / "out")
    with pytest.raises(MethodError, match="could not be constructed: SystemExit"):
        create(plugin(tmp_path, start=leave))
    assert describe(plugin(tmp_path, leave))["multiply_accumulates"] is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return visible, infrared", "found tuple; return the fused image alone"),
        ("visible.clamp(0, 1)", "found NoneType; end in `return fused`"),
        ("return torch.fft.fft2(visible)", "found complex64 .*; take the real part"),
        (
            "x = visible.clone().requires_grad_(); (x ** 2).sum().backward(); return x",
            "runs methods in inference mode",
        ),
    ],
)
def test_advice_fits_what_came_out(tmp_path: Path, pairs: list[Pair], body: str, message: str) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        fuse_pairs(create(plugin(tmp_path, body)), pairs, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_the_advice_for_gradients_works(tmp_path: Path, pairs: list[Pair]) -> None:
    body = (
        "with torch.inference_mode(False), torch.enable_grad(): "
        "x = visible.clone().requires_grad_(); (x ** 2).sum().backward(); x = x.detach()\n"
        "        return x"
    )
    assert fuse_pairs(create(plugin(tmp_path, body)), pairs, tmp_path / "out").images == 2


@pytest.mark.parametrize(
    ("start", "extra", "facts", "message"),
    [
        ("self.network = [torch.nn.Identity()]", "", "", "expected a torch.nn.Module or None .* found list"),
        ("self.network = lambda x: x", "", "", "expected a torch.nn.Module or None .* found function"),
        ("self.card = MethodCard(3, 'M', 'external')", "", "", "name 3 is not a text"),
        ("pass", "", ", trained_on='M3FD'", r"trained_on 'M3FD' is not a tuple .* as in \('MSRS',\)"),
        ("pass", "", ", trained_on=(3,)", "trained_on .* is not a tuple"),
        ("pass", "", ", year='2020'", "year '2020' is not a whole number"),
        ("pass", "card = property(lambda self: 1 / 0)", "", "'card' raises ZeroDivisionError"),
    ],
)
def test_cards_and_networks_that_nobody_can_work_with(
    tmp_path: Path, start: str, extra: str, facts: str, message: str
) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        create(plugin(tmp_path, start=start, extra=extra, facts=facts))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stated", [3, [1], {"a": 1}])
def test_options_of_a_folder_name_data_sets(tmp_path: Path, stated: object) -> None:
    with pytest.raises(MethodError, match="trained_on: expected names of data sets"):
        create(f"folder:{tmp_path}", options={"trained_on": stated})
    assert create(f"folder:{tmp_path}", options={"trained_on": "MSRS"}).card.trained_on == ("MSRS",)
    assert create(f"folder:{tmp_path}", options={"trained_on": None}).card.trained_on == ()


def test_a_listing_does_not_die_of_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = type(create(plugin(tmp_path, "raise KeyError('x')")))
    listless = type(create(plugin(tmp_path, facts=", year=2020")))
    listless.network = [1]  # type: ignore[assignment]
    found = {"average": Average, "named-otherwise": broken, "listless": listless}
    monkeypatch.setattr(registry, "names", lambda: tuple(found))
    monkeypatch.setattr(registry, "load_class", lambda name: found[name])
    with caplog.at_level(logging.WARNING):
        records = describe_all()
    # Under the names that they are asked for by, which their cards need not have.
    assert [record["name"] for record in records] == ["average", "named-otherwise"]
    assert "named-otherwise: its cost cannot be counted: KeyError" in caplog.text
    assert "listless: expected a torch.nn.Module" in caplog.text


def command(folder: Path, code: str) -> str:
    script = folder / "foreign.py"
    script.write_text(
        f"import shutil, sys\nfrom pathlib import Path\nir, vis, out = map(Path, sys.argv[1:4])\n{code}"
    )
    return f"command:{sys.executable} {script} {{infrared}} {{visible}} {{out}}"


def test_a_program_cannot_damage_the_originals(pairs: list[Pair], tmp_path: Path) -> None:
    code = "for p in vis.iterdir():\n  shutil.copy(p, out)\n  p.write_bytes(b'')\n  (ir / p.name).unlink()\n"
    before = contents(pairs)
    assert fuse_pairs(create(command(tmp_path, code)), pairs, tmp_path / "out").images == 2
    assert contents(pairs) == before
    assert np.array_equal(read_rgb8(tmp_path / "out" / "a.png"), read_rgb8(pairs[0].visible))


def test_a_program_that_removes_its_folder(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"the folder .* is gone; the command succeeded"):
        fuse_pairs(create(command(tmp_path, "shutil.rmtree(out)")), pairs, tmp_path / "out")


@pytest.mark.parametrize("through", ["ir", "vis", "link"])
def test_inputs_are_never_written_over(pairs: list[Pair], tmp_path: Path, through: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "vis")
    before = contents(pairs)
    with pytest.raises(MethodError, match="holds the input images; write the fused ones into another folder"):
        fuse_pairs(Average(), pairs, tmp_path / through, overwrite=True)
    with pytest.raises(MethodError, match="holds the input images"):
        run(tmp_path, "average", through, overwrite=True)
    assert contents(pairs) == before and len(list((tmp_path / "vis").iterdir())) == 2


def run(
    folder: Path, method: str, out: str = "out", *, overwrite: bool = False, tile: int | None = None
) -> None:
    fuse(folder / "ir", folder / "vis", folder / out, method, None, tile, "cpu", overwrite, Screen(-1))


@pytest.mark.usefixtures("pairs")
def test_images_of_two_methods_are_never_mixed(tmp_path: Path) -> None:
    run(tmp_path, "average")
    first = (tmp_path / "out" / "a.png").read_bytes()
    (tmp_path / "out" / "b.png").unlink()
    with pytest.raises(
        ConfigError, match=r"holds 1 of these images made by Average, expected Maximum; .*--out"
    ):
        run(tmp_path, "maximum")
    with pytest.raises(ConfigError, match="made by Average with other weights or settings"):
        run(tmp_path, "average", tile=64)
    assert (tmp_path / "out" / "a.png").read_bytes() == first and not (tmp_path / "out" / "b.png").exists()
    run(tmp_path, "average")  # goes on
    assert (tmp_path / "out" / "b.png").is_file()
    run(tmp_path, "maximum", overwrite=True)
    assert (tmp_path / "out" / "a.png").read_bytes() != first
    (tmp_path / "out" / "c.png").write_bytes(first)  # of another pair
    for overwrite in (False, True):
        with pytest.raises(
            ConfigError, match=r"holds 1 image\(s\) of other pairs made by Maximum, expected Average"
        ):
            run(tmp_path, "average", overwrite=overwrite)
    (tmp_path / "out" / ORIGIN).unlink()
    with pytest.raises(ConfigError, match="made by something unknown, expected Maximum"):
        run(tmp_path, "maximum")


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize("device", ["mps", "meta", "xpu"])
def test_devices_that_are_not_here(tmp_path: Path, device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one here")
    with pytest.raises(MethodError, match=f"device {device!r}: expected auto, cpu, cuda or cuda:N"):
        resolve_device(device)
    with pytest.raises(MethodError, match=f"device {device!r}"):
        fuse(
            tmp_path / "ir",
            tmp_path / "vis",
            tmp_path / "out",
            "average",
            None,
            None,
            device,
            False,
            Screen(-1),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("pairs")
def test_where_scores_cannot_be_written_is_found_before_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x.csv"
    with pytest.raises(ConfigError, match="cannot make the folder"):
        score(tmp_path / "ir", tmp_path / "vis", [str(tmp_path / "none")], "EN", out, "cpu", Screen(-1))


def test_network_files_that_are_damaged_or_in_the_wrong_place(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    network = tmp_path / "model.pt"
    torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)).save(str(network))
    recwarn.clear()
    with pytest.raises(CheckpointError, match="holds a TorchScript network, not weights"):
        load_foreign(network)
    assert not recwarn.list  # nothing but the one line
    network.write_bytes(network.read_bytes()[:200])
    with pytest.raises(MethodError, match="damaged, cut short or of another kind"):
        create(str(network))
    (tmp_path / "model.pt.json").write_text('{"inputs": 5}')
    with pytest.raises(MethodError, match='inputs: expected \\["infrared", "visible"\\]'):
        create(str(network))
