"""TorchScript files, as ``torch.jit.save`` writes them.

Such a file carries a program. Torch's interpreter runs it: it computes with tensors and can raise, loop for
ever or fill the memory, but it is not Python, and no pickled Python object is executed when it is loaded.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch

from ...datasets.errors import MethodError
from .ports import Port


class TorchScriptNetwork:
    """A scripted or traced network.

    Args:
        path: the file.

    Raises:
        MethodError: the file is no TorchScript archive, or cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        _require_archive(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch.jit is deprecated, its files are still about
                self.module: torch.nn.Module = torch.jit.load(str(path), map_location="cpu")
        except Exception as error:  # the archive is foreign: anything may be wrong with it
            raise MethodError(f"{path}: torch cannot load it: {last_line(error)}") from error
        self.module.eval()
        arguments = self.module.forward.schema.arguments[1:]  # type: ignore[union-attr]  # the first is self
        self.inputs = tuple(Port(item.name) for item in arguments if not item.has_default_value())

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self.module.to(device)

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the output for the images, one for each input."""
        found = self.module(*images)
        if not isinstance(found, torch.Tensor):
            raise TypeError(f"the network returned {type(found).__name__}, not one tensor; export it so")
        return found.float()


def _require_archive(path: Path) -> None:
    """Refuse checkpoints, which share the ending but hold no program."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                return
    except (zipfile.BadZipFile, OSError) as error:
        raise MethodError(
            f"{path}: expected a network saved by torch.jit.save, found a file that is damaged, cut short or "
            f"of another kind ({error}); copy or export it again"
        ) from error
    raise MethodError(
        f"{path}: expected a network saved by torch.jit.save, found a file without one; a checkpoint "
        "(tensors by name) goes to --weights, with the name of its network as --method"
    )


def last_line(error: BaseException) -> str:
    """Return the end of a long message: torch tells what happened there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
