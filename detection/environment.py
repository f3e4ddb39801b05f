"""Make Ultralytics a library like any other: no files in the home, no reports, no downloads, no chatter.

Ultralytics creates a settings file when it is imported, reports usage by default, downloads weights and fonts
when it misses them, installs packages, prints to standard output and changes the number of threads. All of
that is switched off here, before its first import. Nothing in this package imports it in any other way than
through :mod:`regionfuse.detection.yolo`, which calls :func:`quiet_ultralytics` first.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)

# Read by Ultralytics (and albumentations, which looks for updates) once, at import.
_VARIABLES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
_REPORTERS = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
_NOTICES = ("vscode_msg", "openvino_msg")


class _Forward(logging.Handler):
    """Hand the messages of Ultralytics to our own logger; its chatter becomes debug output."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelno if record.levelno >= logging.WARNING else logging.DEBUG
        logger.log(level, "ultralytics: %s", record.getMessage().strip())


def quiet_ultralytics() -> None:
    """Import Ultralytics with every side effect switched off; a second call does nothing new.

    When the program imported Ultralytics before, its settings in memory are changed and its file left alone.
    """
    import torch  # before Ultralytics, which would otherwise limit torch to one thread for the whole process

    if "ultralytics" not in sys.modules:
        folder = tempfile.mkdtemp(prefix="regionfuse-ultralytics-")
        atexit.register(_remove_own_folder, folder, os.getpid())
        with _environment({**_VARIABLES, "YOLO_CONFIG_DIR": folder}), _library_functions_kept():
            threads = torch.get_num_threads()
            import ultralytics.utils
            import ultralytics.utils.events  # noqa: F401

            torch.set_num_threads(threads)
    _silence()


@contextmanager
def _library_functions_kept() -> Iterator[None]:
    """Keep the functions of other libraries that importing Ultralytics replaces by its own.

    Its ``PIL.Image.open``, for one, tries to install a package when it meets a damaged image.
    """
    import cv2
    import torch
    from PIL import Image

    names = [(Image, "open"), (torch, "save"), (torch, "load")]
    names += [(cv2, name) for name in ("imread", "imwrite", "imshow")]
    kept = [(module, name, getattr(module, name)) for module, name in names]
    try:
        yield
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def _silence() -> None:
    """Switch off reporting and printing in the imported Ultralytics."""
    import ultralytics.utils as yolo_utils
    import ultralytics.utils.events as yolo_events

    yolo_utils.ONLINE = False
    yolo_utils.AUTOINSTALL = False
    # dict.update and not its own: that one would write the settings file, which may be the user's.
    dict.update(yolo_utils.SETTINGS, dict.fromkeys(_REPORTERS + _NOTICES, False))
    dict.update(yolo_utils.SETTINGS, {"api_key": ""})
    yolo_events.events.enabled = False
    log = yolo_utils.LOGGER
    if not any(isinstance(handler, _Forward) for handler in log.handlers):
        log.handlers = [_Forward()]
        log.propagate = False


@contextmanager
def plain_trainer() -> Iterator[None]:
    """While a trainer runs: no trackers, no reports, and no model downloaded to try mixed precision.

    Also puts back what a trainer changes for the whole process: the number of threads, the determinism of
    torch and the variables ``CUBLAS_WORKSPACE_CONFIG`` and ``PYTHONHASHSEED``.
    """
    import torch
    import ultralytics.engine.trainer as yolo_trainer
    from ultralytics.utils import callbacks

    kept = (yolo_trainer.check_amp, callbacks.add_integration_callbacks)
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    names = ("CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED")
    variables = {name: os.environ.get(name) for name in names}
    yolo_trainer.check_amp = _amp_works
    callbacks.add_integration_callbacks = _no_trackers
    try:
        with warnings.catch_warnings():
            # Said for some layers on GPUs; the recipe asks for deterministic kernels where there are any.
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        yolo_trainer.check_amp, callbacks.add_integration_callbacks = kept
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic[0])
        torch.backends.cudnn.deterministic = deterministic[1]
        for name, value in variables.items():
            _restore(name, value)


def _amp_works(model: Any) -> bool:  # noqa: ARG001 - stands for Ultralytics' check
    return True


def _no_trackers(instance: Any) -> None:  # noqa: ARG001 - stands for Ultralytics' hook
    return None


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the block; afterwards the user's own values hold again."""
    # Ultralytics itself sets these three for good; programs started by us must not inherit them.
    names = (*values, "OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL", "TORCH_CPP_LOG_LEVEL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            _restore(name, value)
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _remove_own_folder(folder: str, owner: int) -> None:
    """Remove the private settings folder, unless this is a forked child of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
