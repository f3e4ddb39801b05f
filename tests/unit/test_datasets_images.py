"""Image files: exact values, awkward formats, and one-line errors."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from regionfuse.datasets import images
from regionfuse.datasets.errors import DataError, StorageError


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)


def store(path: Path, image: np.ndarray, extension: str = "") -> Path:
    """Write a file through OpenCV, channels in the order that OpenCV wants (B, G, R, A)."""
    done, encoded = cv2.imencode(extension or path.suffix, image)
    assert done
    path.write_bytes(encoded.tobytes())
    return path


def one_line(error: pytest.ExceptionInfo[DataError], *words: str) -> None:
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_colour_order_and_round_trip(tmp_path: Path, rgb: np.ndarray) -> None:
    path = tmp_path / "a.png"
    images.write_png(path, rgb)
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert stored is not None
    np.testing.assert_array_equal(stored[..., ::-1], rgb)
    np.testing.assert_array_equal(images.read_rgb8(path), rgb)
    visible = images.read_visible(path)
    assert visible.dtype == np.float32 and visible.shape == (13, 17, 3)
    np.testing.assert_array_equal(visible, rgb.astype(np.float32) / np.float32(255))
    images.write_png(tmp_path / "b.png", visible)
    np.testing.assert_array_equal(images.read_rgb8(tmp_path / "b.png"), rgb)


def test_writing_rounds_and_clips(tmp_path: Path) -> None:
    values = np.array([[-1.0, 0.0, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1.0, 7.0]])
    images.write_png(tmp_path / "a.png", values)
    np.testing.assert_array_equal(images.decode(tmp_path / "a.png"), [[0, 0, 0, 1, 255, 255, 255]])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 3, 4), np.uint8),
        np.zeros((0, 3), np.uint8),
        np.zeros((3, 3), np.int32),
        np.zeros(3, np.uint8),
    ],
)
def test_writing_refuses_other_arrays(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected"):
        images.write_png(tmp_path / "a.png", image)


def test_writing_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NaN"):
        images.write_png(tmp_path / "a.png", np.full((3, 3), np.nan, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_alpha_is_dropped(tmp_path: Path, rgb: np.ndarray) -> None:
    alpha = np.full((13, 17, 1), 40, np.uint8)
    path = store(tmp_path / "a.png", np.dstack([rgb[..., ::-1], alpha]))
    np.testing.assert_array_equal(images.read_rgb8(path), rgb)
    assert images.read_visible(path).shape == (13, 17, 3)


def test_grey_visible_is_replicated(tmp_path: Path, rgb: np.ndarray) -> None:
    path = store(tmp_path / "a.png", rgb[..., 0])
    visible = images.read_visible(path)
    for channel in range(3):
        np.testing.assert_array_equal(visible[..., channel] * np.float32(255), rgb[..., 0])


def test_infrared_of_24_bits_is_exact(tmp_path: Path, rgb: np.ndarray) -> None:
    grey = rgb[..., 0]
    path = store(tmp_path / "a.png", np.dstack([grey] * 3))
    infrared = images.read_infrared(path)
    assert infrared.dtype == np.float32 and infrared.shape == (13, 17)
    np.testing.assert_array_equal(infrared, grey.astype(np.float32) / np.float32(255))


def test_coloured_infrared_becomes_luminance(tmp_path: Path) -> None:
    pure = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)  # R, G, B
    path = tmp_path / "a.png"
    images.write_png(path, pure)
    np.testing.assert_allclose(images.read_infrared(path), [[0.299, 0.587, 0.114]], atol=1e-6)


def test_16_bit_files(tmp_path: Path) -> None:
    counts = np.linspace(7000, 9000, 2000, dtype=np.uint16).reshape(40, 50)
    path = store(tmp_path / "a.png", counts)
    infrared = images.read_infrared(path)
    assert infrared.min() == 0 and infrared.max() == 1 and abs(float(infrared.mean()) - 0.5) < 0.01
    np.testing.assert_allclose(images.read_visible(path)[..., 0], counts / 65535, atol=1e-6)
    assert images.read_rgb8(path).dtype == np.uint8
    flat = store(tmp_path / "b.png", np.full((4, 4), 7000, np.uint16))
    np.testing.assert_array_equal(images.read_infrared(flat), np.zeros((4, 4)))


@pytest.mark.parametrize("name", ["with space.png", "Bäume/日本.png", "a.b.c.PNG"])
def test_awkward_paths(tmp_path: Path, rgb: np.ndarray, name: str) -> None:
    images.write_png(tmp_path / name, rgb)
    np.testing.assert_array_equal(images.read_rgb8(tmp_path / name), rgb)
    assert images.image_size(tmp_path / name) == (17, 13)


def test_symbolic_link(tmp_path: Path, rgb: np.ndarray) -> None:
    images.write_png(tmp_path / "a.png", rgb)
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_rgb8(tmp_path / "b.png"), rgb)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"b\.png"):
        images.read_rgb8(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png"):
        images.image_size(tmp_path / "b.png")


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".tif", ".tiff", ".jpeg"])
def test_sizes_from_headers(tmp_path: Path, rgb: np.ndarray, extension: str) -> None:
    path = store(tmp_path / f"a{extension}", rgb)
    assert images.image_size(path) == (17, 13)
    assert images.read_rgb8(path).shape == (13, 17, 3)


@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], extension: str, kept: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = store(tmp_path / f"a{extension}", noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError) as error:
        images.read_visible(path)
    one_line(error, str(path), "truncated")
    assert capfd.readouterr().err == ""  # the codecs' own complaints never reach the user


def test_corrupt_and_empty_files(tmp_path: Path, rgb: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    path = store(tmp_path / "a.png", rgb)
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="corrupt PNG"):
        images.read_infrared(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        images.read_infrared(path)
    path.write_bytes(b"just some text, no image at all")
    with pytest.raises(DataError, match="not an image"):
        images.read_infrared(path)
    with pytest.raises(DataError, match="not an image"):
        images.image_size(path)
    with pytest.raises(DataError, match="cannot be read"):
        images.read_infrared(tmp_path / "missing.png")
    assert capfd.readouterr().err == ""


def test_floating_point_tiff_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.tiff", np.zeros((5, 5), np.float32))
    with pytest.raises(DataError, match="float32"):
        images.read_infrared(path)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "may write"), (errno.EACCES, "may write")],
)
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "a.png"
    images.write_png(path, rgb)
    before = path.read_bytes()

    def fail(self: Path, content: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(StorageError, match=words):
        images.write_png(path, 255 - rgb)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_no_writing_where_a_file_stands_for_a_folder(tmp_path: Path, rgb: np.ndarray) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StorageError):
        images.write_png(tmp_path / "a" / "b.png", rgb)
