"""The door for commands, through a real second environment that shares no package with this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.errors import MethodError
from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.check import check_method
from regionfuse.fusion.registry import create
from regionfuse.fusion.run import fuse_pairs

# Reads and writes PNG files (8 bit, grey or RGB) with nothing but the standard library.
SCRIPT = """
import json
import struct
import sys
import zlib
from pathlib import Path


def read(path):
    data, at, body = path.read_bytes(), 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, chunk = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", chunk[:10])
            assert depth == 8 and color in (0, 2), (depth, color)
        elif kind == b"IDAT":
            body += chunk
        at += 12 + length
    step = 3 if color == 2 else 1
    raw, wide, rows = zlib.decompress(body), width * step, []
    above = bytearray(wide)
    for row in range(height):
        start = row * (wide + 1)
        how, line = raw[start], bytearray(raw[start + 1 : start + 1 + wide])
        for i in range(wide):
            left, up = (line[i - step] if i >= step else 0), above[i]
            corner = above[i - step] if i >= step else 0
            if how == 4:
                p = left + up - corner
                best = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            else:
                best = (0, left, up, (left + up) // 2)[how]
            line[i] = (line[i] + best) & 255
        rows.append(line)
        above = line
    return width, height, step, rows


def write(path, width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\\0" + bytes(row) for row in rows))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    path.write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + parts)


infrared, visible, out = (Path(argument) for argument in sys.argv[1:4])
if len(sys.argv) > 4:
    Path(sys.argv[4]).write_text(json.dumps({"prefix": sys.prefix, "path": sys.path}))
for path in visible.iterdir():
    width, height, step, colours = read(path)
    _, _, _, warm = read(infrared / path.name)
    rows = []
    for seen, heat in zip(colours, warm):
        row = bytearray(3 * width)
        for x in range(width):
            pixel = seen[3 * x : 3 * x + 3] if step == 3 else bytes([seen[x]]) * 3
            y = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
            rise = max(0.0, heat[x] - y)
            row[3 * x : 3 * x + 3] = bytes(min(255, round(value + rise)) for value in pixel)
        rows.append(row)
    write(out / (path.stem + ".png"), width, height, rows)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("second") / "their env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def command(environment: Path, script: str, folder: Path, more: str = "") -> str:
    path = folder / "their code.py"
    path.write_text(script, encoding="utf-8")
    return f"command:'{environment}/bin/python' '{path}' {{infrared}} {{visible}} {{out}} {more}".strip()


def test_it_keeps_the_contract(environment: Path, tmp_path: Path) -> None:
    results = check_method(command(environment, SCRIPT, tmp_path))
    assert [result for result in results if not result.passed] == []
    assert not any("warning" in result.message for result in results)


def test_it_runs_in_its_own_environment(environment: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    pair = Pair("a", tmp_path / "ir" / "x.png", tmp_path / "vi" / "y.png", 31, 20)
    infrared = random.integers(0, 256, (20, 31), dtype=np.uint8)
    visible = random.integers(60, 150, (20, 31, 3), dtype=np.uint8)
    write_png(pair.infrared, infrared)
    write_png(pair.visible, visible)
    told = tmp_path / "told.json"
    fuse_pairs(create(command(environment, SCRIPT, tmp_path, f"'{told}'")), [pair], tmp_path / "out")
    where = json.loads(told.read_text(encoding="utf-8"))
    assert Path(where["prefix"]) == environment
    ours = {str(Path(entry)) for entry in sys.path if "site-packages" in entry}
    assert not ours & set(where["path"])
    rise = np.maximum(infrared - visible @ [0.299, 0.587, 0.114], 0)[..., None]
    fused = read_rgb8(tmp_path / "out" / "a.png")
    assert np.abs(fused - np.clip(np.rint(visible + rise), 0, 255)).max() <= 1


def test_it_lacks_our_packages(environment: Path, tmp_path: Path) -> None:
    pair = Pair("a", tmp_path / "ir.png", tmp_path / "vi.png", 8, 8)
    write_png(pair.infrared, np.zeros((8, 8), np.uint8))
    write_png(pair.visible, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(MethodError, match=r"ended with status 1: .*No module named 'torch'"):
        fuse_pairs(create(command(environment, "import torch\n", tmp_path)), [pair], tmp_path / "out")
