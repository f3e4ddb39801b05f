"""How the doors are written, and which files stand behind them; nothing here imports torch or runs code."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

from ...datasets.errors import MethodError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
PLACEHOLDERS = ("{infrared}", "{visible}", "{out}")
FILE_SPEC = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")


MODEL_SUFFIXES = (".onnx", ".pt", ".pth", ".ts", ".torchscript")


def is_model_spec(spec: str) -> bool:
    """Tell whether ``spec`` is a network file."""
    return not spec.startswith(("folder:", "command:")) and spec.lower().endswith(MODEL_SUFFIXES)


def model_file(spec: str) -> Path:
    """Return the network file that ``spec`` names.

    Raises:
        MethodError: there is no such file.
    """
    path = Path(spec).expanduser()
    if not path.is_file():
        raise MethodError(f"{spec!r}: there is no file {path}")
    return path


def model_files(path: Path) -> list[Path]:
    """Return a network file, its card, and the weights that ONNX may keep in files beside it."""
    return sorted(
        other for other in path.parent.iterdir() if other.name.startswith(path.name) and other.is_file()
    )


def sidecar(path: Path) -> Path:
    """Return where the card of a network file lies: beside it, ``.json`` appended to the whole name."""
    return path.with_name(path.name + ".json")


def is_file_spec(spec: str) -> bool:
    """Tell whether ``spec`` names a Python file."""
    return FILE_SPEC.fullmatch(spec) is not None


def split_file_spec(spec: str) -> tuple[Path, str | None]:
    """Return the file and the class name; None when the spec leaves the name out."""
    match = FILE_SPEC.fullmatch(spec)
    if match is None:
        raise MethodError(f"{spec!r}: expected path/to/file.py:ClassName")
    path = Path(match["path"]).expanduser()
    if not path.is_file():
        raise MethodError(f"{spec!r}: there is no file {path}")
    return path, match["name"]


def split_command(command: str) -> list[str]:
    """Split a command line as a POSIX shell does and check its placeholders.

    Raises:
        MethodError: quotes do not close, or a placeholder is missing.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise MethodError(f"command: cannot split {command!r}: {error}; check the quotes") from error
    missing = [name for name in PLACEHOLDERS if name not in command]
    if missing or not words:
        raise MethodError(
            f"command: expected the placeholders {', '.join(PLACEHOLDERS)}; "
            f"{', '.join(missing or PLACEHOLDERS)} missing in {command!r}"
        )
    return words


def source_files(path: Path) -> list[Path]:
    """Return the file and the neighbours that it imports, directly or not, without running anything.

    Their contents define the method; a change in any of them is a change of the method.
    """
    folder = path.resolve().parent
    todo, seen = [path.resolve()], set[Path]()
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = ast.parse(file.read_bytes())
        except SyntaxError:
            continue  # loading the method reports it; the content counts all the same
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or alias.name for alias in node.names]
            for name in names:
                for base in {folder, file.parent}:
                    todo.extend(_neighbours(base / name.split(".")[0]))
    return sorted(seen)


def _neighbours(top: Path) -> list[Path]:
    """Return the Python files behind a package folder or a module ``top.py``."""
    if top.is_dir():
        return sorted(top.rglob("*.py"))
    module = top.with_name(f"{top.name}.py")
    return [module] if module.is_file() else []
