"""fuse_pairs: files in, files out, resumable, with errors that name the image."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import DataError, MethodError, StorageError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod
from regionfuse.fusion.methods.controls import Infrared, Visible
from regionfuse.fusion.methods.trivial import Average
from regionfuse.fusion.run import fuse_pairs, resolve_device

SIZES = [(37, 53), (37, 53), (64, 48), (1, 9), (37, 53)]


def make_pairs(root: Path, sizes: list[tuple[int, int]], seed: int = 0) -> list[Pair]:
    random = np.random.default_rng(seed)
    pairs = []
    for number, (height, width) in enumerate(sizes):
        stem = f"{number:03} nächtlich"
        pair = Pair(stem, root / "Ir" / f"{stem}.png", root / "Vis" / f"{stem}.png", width, height)
        write_png(pair.infrared, random.integers(0, 256, (height, width), dtype=np.uint8))
        write_png(pair.visible, random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        pairs.append(pair)
    return pairs


def imread(path: Path) -> np.ndarray:
    """Read a file as OpenCV does, without our own reader."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    return make_pairs(tmp_path / "ein Ordner", SIZES)


class Counting(FusionMethod):
    """Average that counts its calls and can be told to misbehave."""

    def __init__(self, color: str = "luminance", stride: int = 1, fault: str = "") -> None:
        self.card = MethodCard("counting", "Counting", "external", color, stride)  # type: ignore[arg-type]
        self.shapes: list[tuple[int, ...]] = []
        self.fault = fault

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(visible.shape))
        fused = 0.5 * (infrared + visible)
        if self.fault == "raise":
            raise ZeroDivisionError("something\nbroke")
        if self.fault == "size":
            return fused[..., :-1, :]
        if self.fault == "channels":
            return fused.expand(-1, 3, -1, -1)
        if self.fault == "nan":
            fused[..., 0, 0] = float("nan")
        if self.fault == "int":
            return (fused * 255).to(torch.uint8)
        if self.fault == "numpy":
            return fused.numpy()  # type: ignore[return-value]
        if self.fault == "noise":
            return torch.rand_like(fused)
        return fused.double() if self.fault == "double" else fused


def test_visible_is_byte_identical_and_infrared_is_grey(pairs: list[Pair], tmp_path: Path) -> None:
    fuse_pairs(Visible(), pairs, tmp_path / "v", device="cpu")
    fuse_pairs(Infrared(), pairs, tmp_path / "i", device="cpu")
    for pair in pairs:
        written = imread(tmp_path / "v" / f"{pair.stem}.png")
        assert np.array_equal(written, imread(pair.visible))
        grey, warm = imread(tmp_path / "i" / f"{pair.stem}.png"), imread(pair.infrared)
        assert warm.ndim == 2
        assert np.array_equal(grey, np.repeat(warm[..., None], 3, axis=2))


@pytest.mark.parametrize("stride", [1, 16])
def test_size_in_is_size_out_and_the_method_sees_its_stride(
    pairs: list[Pair], tmp_path: Path, stride: int
) -> None:
    method = Counting(stride=stride)
    timing = fuse_pairs(method, pairs, tmp_path / "out", device="cpu")
    assert timing.images == len(pairs)
    assert timing.device == "cpu"
    assert timing.tiled == 0
    assert 0 < timing.seconds_per_image < 5
    assert all(h % stride == 0 and w % stride == 0 and c == 1 for _, c, h, w in method.shapes)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{p.stem}.png" for p in pairs]
    for pair in pairs:
        assert read_rgb8(tmp_path / "out" / f"{pair.stem}.png").shape == (pair.height, pair.width, 3)


def test_luminance_is_averaged_and_chroma_kept(tmp_path: Path) -> None:
    pair = Pair("a", tmp_path / "i.png", tmp_path / "v.png", 2, 1)
    write_png(pair.infrared, np.array([[100, 200]], dtype=np.uint8))
    write_png(pair.visible, np.array([[[120, 100, 80], [90, 90, 90]]], dtype=np.uint8))
    fuse_pairs(Average(), [pair], tmp_path / "out", device="cpu")
    # Y of (120, 100, 80) is 103.7; the mean with 100 lowers every channel by 1.85.
    assert read_rgb8(tmp_path / "out/a.png").tolist() == [[[118, 98, 78], [145, 145, 145]]]


def test_what_is_there_is_kept_and_not_counted(pairs: list[Pair], tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[tuple[int, int, str]] = []
    fuse_pairs(Counting(), pairs[:3], out, device="cpu")
    stamp = (out / f"{pairs[0].stem}.png").stat().st_mtime_ns
    method = Counting()
    timing = fuse_pairs(method, pairs, out, device="cpu", progress=lambda *a: seen.append(a))
    assert timing.images == len(method.shapes) == 2
    assert [done for done, _, _ in seen] == [4, 5]
    assert all(total == 5 for _, total, _ in seen)
    assert (out / f"{pairs[0].stem}.png").stat().st_mtime_ns == stamp
    again = fuse_pairs(Counting(), pairs, out, device="cpu")
    assert again.images == 0
    assert math.isnan(again.seconds_per_image)
    assert fuse_pairs(Counting(), pairs, out, device="cpu", overwrite=True).images == 5


def test_a_file_of_another_size_or_a_damaged_one_is_made_anew(
    pairs: list[Pair], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    write_png(out / f"{pairs[0].stem}.png", np.zeros((5, 5, 3), np.uint8))
    (out / f"{pairs[1].stem}.png").write_bytes(b"not an image")
    with caplog.at_level(logging.WARNING):
        assert fuse_pairs(Average(), pairs[:2], out, device="cpu").images == 2
    assert caplog.text.count("made anew") == 2
    assert read_rgb8(out / f"{pairs[1].stem}.png").shape == (37, 53, 3)


def test_batches_give_the_same_images(pairs: list[Pair], tmp_path: Path) -> None:
    method = Counting(stride=8)
    fuse_pairs(method, pairs, tmp_path / "b", device="cpu", batch_size=4)
    assert [shape[0] for shape in method.shapes] == [2, 1, 1, 1]
    fuse_pairs(Counting(stride=8), pairs, tmp_path / "s", device="cpu")
    for pair in pairs:
        names = [tmp_path / folder / f"{pair.stem}.png" for folder in "bs"]
        assert names[0].read_bytes() == names[1].read_bytes()


def test_tiles_on_request_and_by_the_methods_limit(pairs: list[Pair], tmp_path: Path) -> None:
    plain, asked, limited = Counting(), Counting(), Counting()
    limited.max_pixels = 32 * 32
    fuse_pairs(plain, pairs[2:3], tmp_path / "p", device="cpu")
    fuse_pairs(asked, pairs[2:3], tmp_path / "a", device="cpu", tile=32)
    fuse_pairs(limited, pairs[2:3], tmp_path / "l", device="cpu")
    assert len(plain.shapes) == 1
    assert len(asked.shapes) > 3
    assert {shape[-2:] for shape in limited.shapes} == {(32, 32)}
    images = [read_rgb8(tmp_path / folder / f"{pairs[2].stem}.png") for folder in "pal"]
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])


def test_where_memory_runs_out_tiles_are_tried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = make_pairs(tmp_path, [(300, 600), (300, 600)])

    class Hungry(Counting):
        def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
            if infrared.numel() > 200 * 200:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().fuse(infrared, visible)

    with caplog.at_level(logging.WARNING):
        timing = fuse_pairs(Hungry(), pairs, tmp_path / "out", device="cpu")
    assert timing.images == timing.tiled == 2
    assert "tiles of 150 pixels" in caplog.text
    fuse_pairs(Average(), pairs, tmp_path / "plain", device="cpu")
    for pair in pairs:
        first, second = (read_rgb8(tmp_path / f / f"{pair.stem}.png").astype(int) for f in ("out", "plain"))
        assert np.abs(first - second).max() <= 1


def test_memory_that_never_suffices_is_an_error(tmp_path: Path) -> None:
    class Starved(Counting):
        def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(
        MethodError, match="out of memory on image '000 nächtlich' \\(300 x 600, batch of 1\\)"
    ):
        fuse_pairs(Starved(), make_pairs(tmp_path, [(300, 600)]), tmp_path / "out", device="cpu")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "raise",
            r"counting: failed on image '000 nächtlich' \(37 x 53\): ZeroDivisionError: something broke",
        ),
        (
            "size",
            r"expected a float32 tensor of shape \(1, 1, 37, 53\), found float32 of shape \(1, 1, 36, 53\)",
        ),
        ("channels", r"expected .* \(1, 1, 37, 53\), found .* \(1, 3, 37, 53\)"),
        ("nan", r"image '000 nächtlich': expected finite values, found 1 of 1961"),
        ("int", r"found uint8 of shape"),
        ("numpy", r"expected a torch.Tensor, found ndarray"),
    ],
)
def test_a_broken_method_is_one_line_that_names_it_and_the_image(
    pairs: list[Pair], tmp_path: Path, fault: str, message: str
) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        fuse_pairs(Counting(fault=fault), pairs, tmp_path / "out", device="cpu")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_double_precision_is_accepted(pairs: list[Pair], tmp_path: Path) -> None:
    fuse_pairs(Counting(fault="double"), pairs[:1], tmp_path / "out", device="cpu")


def test_random_methods_do_not_depend_on_what_came_before(pairs: list[Pair], tmp_path: Path) -> None:
    state = torch.get_rng_state()
    fuse_pairs(Counting(fault="noise"), pairs, tmp_path / "all", device="cpu")
    fuse_pairs(Counting(fault="noise"), pairs[3:], tmp_path / "some", device="cpu")
    name = f"{pairs[4].stem}.png"
    assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "some" / name).read_bytes()
    other = f"{pairs[0].stem}.png"
    assert (tmp_path / "all" / name).read_bytes() != (tmp_path / "all" / other).read_bytes()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_first_image_warms_up(pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("regionfuse.fusion.timing.time.perf_counter", lambda: now)

    class Lazy(Counting):
        """A second an image, and ten more for the first batch."""

        def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
            nonlocal now
            now += infrared.shape[0] + (0 if self.shapes else 10)
            return super().fuse(infrared, visible)

    assert fuse_pairs(Lazy(), pairs, tmp_path / "a", device="cpu").seconds_per_image == 1
    assert fuse_pairs(Lazy(), pairs[:1], tmp_path / "b", device="cpu").seconds_per_image == 11


def test_a_pair_whose_size_is_not_that_of_its_files(tmp_path: Path) -> None:
    pair = make_pairs(tmp_path, [(20, 30)])[0]
    write_png(pair.infrared, np.zeros((10, 30), np.uint8))
    with pytest.raises(DataError, match="expected 30 x 20 pixels as for its pair, found 30 x 10"):
        fuse_pairs(Average(), [pair], tmp_path / "out", device="cpu")


def test_nothing_to_do(tmp_path: Path) -> None:
    timing = fuse_pairs(Average(), [], tmp_path / "out")
    assert timing.images == 0
    assert (tmp_path / "out").is_dir()


def test_output_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot make the folder"):
        fuse_pairs(Average(), [], tmp_path / "file" / "out")


def test_devices_and_numbers_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="expected auto, cpu"):
        resolve_device("gpu?")
    with pytest.raises(MethodError, match="GPU"):
        resolve_device("cuda:99")
    with pytest.raises(MethodError, match="at least 1"):
        fuse_pairs(Average(), [], tmp_path, tile=0)


def test_threads_that_read_and_write_give_the_same_files(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regionfuse.fusion import run
    from regionfuse.fusion.background import Background

    fuse_pairs(Average(), pairs, tmp_path / "serial", device="cpu")
    monkeypatch.setattr(run, "Background", lambda _: Background(2))
    seen: list[tuple[int, int, str]] = []
    fuse_pairs(Average(), pairs, tmp_path / "threads", device="cpu", progress=lambda *a: seen.append(a))
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5]
    for pair in pairs:
        name = f"{pair.stem}.png"
        assert (tmp_path / "serial" / name).read_bytes() == (tmp_path / "threads" / name).read_bytes()
    pairs[3].visible.unlink()
    with pytest.raises(DataError):
        fuse_pairs(Average(), pairs, tmp_path / "broken", device="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_and_cpu_agree(pairs: list[Pair], tmp_path: Path) -> None:
    timing = fuse_pairs(Average(), pairs, tmp_path / "g", device="cuda")
    fuse_pairs(Average(), pairs, tmp_path / "c", device="cpu")
    assert timing.device == torch.cuda.get_device_name()
    for pair in pairs:
        first, second = (read_rgb8(tmp_path / f / f"{pair.stem}.png").astype(int) for f in "gc")
        assert np.abs(first - second).max() <= 1
