"""The house rules that a tool can check: one way imports, a complete package list, a light command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("datasets", "fusion", "detection", "reports", "pipeline")


def modules(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imported_layers(path: Path) -> set[str]:
    """Return the layers that a module imports, relative imports resolved."""
    package = ("regionfuse", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = [*base, *(node.module or "").split(".")]
            full = [*names, node.names[0].name] if names == ["regionfuse", ""] else names
            targets = [".".join(part for part in full if part)]
            if not node.module:
                targets = [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            continue
        for target in targets:
            parts = target.split(".")
            if parts[0] == "regionfuse" and len(parts) > 1 and parts[1] in LAYERS:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_flow_one_way(layer: str) -> None:
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])
    for path in modules(layer):
        wrong = imported_layers(path) - allowed
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}, which stand above {layer}"


def test_the_import_check_sees_relative_imports(tmp_path: Path) -> None:
    assert "datasets" in imported_layers(ROOT / "fusion" / "run.py")


def test_every_package_is_listed_for_installation() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for layer in LAYERS:
        for init in (ROOT / layer).rglob("__init__.py"):
            name = ".".join(("regionfuse", *init.parent.relative_to(ROOT).parts))
            assert f'"{name}"' in text, f"{name} is missing in [tool.setuptools] packages of pyproject.toml"


def test_every_folder_with_modules_is_a_package() -> None:
    for layer in LAYERS:
        for path in modules(layer):
            assert (path.parent / "__init__.py").is_file(), f"{path.parent} has no __init__.py"


def test_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, regionfuse.pipeline.cli;"
        "heavy = {'torch', 'cv2', 'numpy', 'pandas', 'ultralytics', 'matplotlib', 'pydantic', 'yaml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
