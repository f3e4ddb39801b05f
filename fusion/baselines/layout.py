"""How published checkpoints nest their tensors: groups, ``module.`` prefixes, ``params``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...datasets.errors import CheckpointError

WRAPPERS = ("params_ema", "params", "state_dict", "model")
"""Keys that some frameworks put around the tensors; the first one present is taken (BasicSR prefers EMA)."""


def flat_tensors(content: Mapping[str, Any], groups: Sequence[str], source: str) -> dict[str, Any]:
    """Turn a checkpoint's content into one level of names.

    Args:
        content: what the file holds.
        groups: names of the state dictionaries that the published file holds side by side; empty: one flat
            dictionary. A tensor ``x`` of group ``G`` becomes ``G.x``. Names that are joined already, as in
            weights trained here, are taken as they are.
        source: the file, for messages.

    Raises:
        CheckpointError: a group is missing or unknown.
    """
    if groups:
        if any(isinstance(value, torch.Tensor) for value in content.values()):
            return _bare(content)
        missing = [name for name in groups if not isinstance(content.get(name), Mapping)]
        surplus = [str(name) for name in content if name not in groups]
        if missing or surplus:
            found = ", ".join(map(str, list(content)[:8])) or "nothing"
            what = "lacks " + ", ".join(missing) if missing else "has unknown " + ", ".join(surplus)
            raise CheckpointError(
                f"{source}: expected the parts {', '.join(groups)}, found {found}: {what}; "
                "take the file named by `regionfuse methods`"
            )
        return {
            f"{group}.{name}": tensor for group in groups for name, tensor in _bare(content[group]).items()
        }
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return _bare(content[wrapper])
    return _bare(content)


def _bare(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Strip the prefix that torch.nn.DataParallel gives to every name."""
    return {str(name).removeprefix("module."): value for name, value in tensors.items()}
