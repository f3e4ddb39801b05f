"""The second door: ``path/to/file.py:ClassName``, one Python file with a class in it."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from ...datasets.errors import MethodError, RegionFuseError
from ..contract import FusionMethod
from .build import require_method_class
from .specs import split_file_spec


def load_class(spec: str) -> type[FusionMethod]:
    """Run the file and return its class.

    The file may import modules that lie beside it, at its top. They are dropped from ``sys.modules``
    afterwards, so that two methods with a ``model.py`` each do not get one another's.

    Raises:
        MethodError: the file is missing, does not import, or holds no such class.
    """
    path, name = split_file_spec(spec)
    module = _run(path.resolve())
    if name is None:
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, FusionMethod)
            and value.__module__ == module.__name__
        ]
        if len(own) != 1:
            found = ", ".join(cls.__name__ for cls in own) or "none"
            raise MethodError(
                f"{path}: expected one subclass of FusionMethod, found {found}; write {path}:Name"
            )
        return require_method_class(own[0], str(path))
    if not hasattr(module, name):
        classes = ", ".join(key for key, value in vars(module).items() if isinstance(value, type))
        raise MethodError(f"{path}: has no class {name!r}; it has: {classes or 'no class'}")
    return require_method_class(getattr(module, name), spec)


def _run(path: Path) -> ModuleType:
    """Import ``path`` under a name of its own."""
    name = f"regionfuse_file_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise MethodError(f"{path}: Python cannot import it")
    module = importlib.util.module_from_spec(module_spec)
    before = set(sys.modules)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        module_spec.loader.exec_module(module)
    except RegionFuseError:
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        text = " ".join(str(error).split())
        raise MethodError(f"{path}: does not import: {type(error).__name__}: {text}") from error
    finally:
        with suppress(ValueError):  # the file may have put sys.path in order itself
            sys.path.remove(str(path.parent))
        for other in set(sys.modules) - before - {name}:
            file = getattr(sys.modules[other], "__file__", None)
            if file and _is_neighbour(Path(file), path.parent):
                del sys.modules[other]
    return module


def _is_neighbour(file: Path, folder: Path) -> bool:
    """Tell whether ``file`` is the user's own code in ``folder``, not a package installed below it."""
    file = file.resolve()
    return file.is_relative_to(folder) and "site-packages" not in file.relative_to(folder).parts
