"""From a user's class to a method that keeps the contract: construction and its error messages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import nn

from ...datasets.errors import MethodError, RegionFuseError
from ..card import MethodCard
from ..contract import FusionMethod


def require_method_class(found: Any, where: str) -> type[FusionMethod]:
    """Return ``found`` if it is a usable class.

    Raises:
        MethodError: it is not a class, not a FusionMethod, or lacks ``fuse``.
    """
    if not (inspect.isclass(found) and issubclass(found, FusionMethod)):
        raise MethodError(
            f"{where}: expected a subclass of regionfuse.fusion.contract.FusionMethod, found {found!r}"
        )
    if inspect.isabstract(found):
        raise MethodError(f"{where}: the class has no fuse(self, infrared, visible) method; write one")
    return found


def build(
    cls: type[FusionMethod], where: str, weights: Path | None, options: Mapping[str, Any] | None
) -> FusionMethod:
    """Construct a method.

    ``weights`` is passed on as the keyword ``weights`` when it is given; ``options`` as further keywords.

    Raises:
        MethodError: the constructor does not take them, raises, or leaves no card.
    """
    keywords = dict(options or {})
    if weights is not None:
        if not weights.exists():
            raise MethodError(f"{where}: weights {weights} do not exist")
        keywords["weights"] = weights
    parameters = inspect.signature(cls).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        for name in keywords:
            if name not in parameters:
                near = get_close_matches(name, parameters, n=1)
                hint = (
                    f"did you mean {near[0]!r}?"
                    if near
                    else f"it takes: {', '.join(parameters) or 'nothing'}"
                )
                raise MethodError(f"{where}: no option {name!r}; {hint}")
    try:
        method = cls(**keywords)
    except RegionFuseError:
        raise
    except (Exception, SystemExit) as error:  # a method that calls exit() must not end the harness with it
        text = " ".join(str(error).split())
        raise MethodError(f"{where}: could not be constructed: {type(error).__name__}: {text}") from error
    return require_sound(method, where)


def require_sound(method: FusionMethod, where: str) -> FusionMethod:
    """Return the method if card and network are such as the harness can work with.

    Raises:
        MethodError: they are not; ``where`` begins the message.
    """
    try:
        card = getattr(method, "card", None)
    except Exception as error:
        raise MethodError(f"{where}: the attribute 'card' raises {type(error).__name__}: {error}") from error
    if not isinstance(card, MethodCard):
        raise MethodError(
            f"{where}: expected a MethodCard in the attribute 'card', found {type(card).__name__}; "
            "write card = MethodCard(name=..., title=..., kind='external')"
        )
    if card.problems():
        raise MethodError(f"{where}: the card is wrong: {'; '.join(card.problems())}")
    if not isinstance(method.network, nn.Module | None):
        raise MethodError(
            f"{where}: expected a torch.nn.Module or None in the attribute 'network', found "
            f"{type(method.network).__name__}; the harness moves it to the GPU and counts its parameters"
        )
    return method
