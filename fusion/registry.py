"""Fusion methods by name: built-in, installed, in a file, in a folder, behind a command.

A *spec* is what a user writes for a source:

- a built-in name such as ``laplacian``, see :func:`names`; ``NAME:published`` uses one of the published
  baselines with its authors' own steps around the network;
- the name of an entry point in the group ``regionfuse.methods``;
- ``path/to/file.py:ClassName`` (the class may be left out when the file holds one);
- ``model.onnx`` or ``model.pt``, a network as ONNX or TorchScript file;
- ``folder:PATH``, images that are already fused, by stem;
- ``command:PROGRAM ... {infrared} {visible} {out}``, a program run once per set.

Listing names imports no method; a method is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import MethodError
from .card import MethodCard, data_sets
from .doors.entry_point import installed
from .doors.specs import is_file_spec, is_model_spec, model_file, split_command
from .fingerprint import fingerprint
from .names import BUILTINS, COMMAND, FOLDER, names, split_mode, unknown

if TYPE_CHECKING:
    from .contract import FusionMethod

__all__ = [
    "BUILTINS",
    "card_of",
    "cards",
    "create",
    "describe",
    "describe_all",
    "fingerprint",
    "load_class",
    "names",
]

log = logging.getLogger(__name__)

EXTERNAL_OPTIONS = (
    "name",
    "title",
    "citation",
    "year",
    "code_license",
    "weights_license",
    "trained_on",
    "notes",
)


def create(
    spec: str, *, weights: Path | None = None, options: Mapping[str, Any] | None = None
) -> FusionMethod:
    """Make a method.

    Args:
        spec: see the module's text.
        weights: checkpoint for methods that take one.
        options: keywords of the method's constructor (e.g. ``preset`` of RegionFuse); for ``folder:``,
            ``command:`` and network files any of ``name, title, citation, year, code_license,
            weights_license, trained_on, notes`` of its card.

    Raises:
        MethodError: there is no such method, or it cannot be made.
    """
    from .doors import build

    if spec.startswith(FOLDER):
        from .doors.folder import FolderMethod

        _refuse_weights(spec, weights)
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        card = _external_card(folder.resolve().name, "Images fused elsewhere.", options)
        return build.require_sound(FolderMethod(folder, card), spec)
    if spec.startswith(COMMAND):
        from .doors.command import CommandMethod

        _refuse_weights(spec, weights)
        command = spec.removeprefix(COMMAND).strip()
        script = next((w for w in reversed(split_command(command)) if w.endswith((".py", ".sh"))), "command")
        card = _external_card(Path(script).stem, "Made by a foreign program.", options)
        return build.require_sound(CommandMethod(command, card), spec)
    if is_model_spec(spec):
        from .doors.model_file import ModelFile

        _refuse_weights(spec, weights)
        return build.require_sound(ModelFile(model_file(spec), options), spec)
    name, mode = split_mode(spec)
    return build.build(
        load_class(name), name, weights, {**(options or {}), "mode": mode} if mode else options
    )


def load_class(spec: str) -> type[FusionMethod]:
    """Return the class behind a built-in name, an installed name, or a Python file.

    Raises:
        MethodError: there is none; the message names the nearest one.
    """
    from .doors.entry_point import load_class as load_installed
    from .doors.python_file import load_class as load_file

    spec, _ = split_mode(spec)
    if is_file_spec(spec):
        return load_file(spec)
    if spec in BUILTINS:
        entry = BUILTINS[spec]
        return getattr(importlib.import_module(entry.module, __package__), entry.cls)
    plugins = installed()
    if spec in plugins:
        return load_installed(plugins[spec])
    raise MethodError(unknown(spec))


def cards() -> dict[str, MethodCard]:
    """Return the cards of all built-in and installed methods by name.

    An installed method that cannot be imported is left out with a warning.
    """
    found: dict[str, MethodCard] = {}
    for name in names():
        try:
            found[name] = card_of(name)
        except MethodError as error:
            log.warning("%s", error)
    return found


def describe(
    spec: str, *, weights: Path | None = None, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return one flat record of a method: its card and what it costs.

    Returns:
        All fields of the card, and ``status`` (``ready``; ``trainable``: no weights, ``regionfuse train``
        makes them; ``needs weights``: they come from the authors), ``parameters`` and
        ``multiply_accumulates`` (one pair of 480 x 640; None when it cannot be known, as for a folder).
    """
    from .efficiency import method_cost

    bare, _ = split_mode(spec)
    try:
        method, ready = create(spec, weights=weights, options=options), True
    except MethodError:
        if weights is not None or options or not _learned(bare):
            raise
        made, ready = load_class(bare).untrained(), False
        if made is None:
            return _record(_placeholder(bare), _waiting(bare))
        method = made
    record = _record(method.card, _status(bare, method, weights) if ready else _waiting(bare))
    if method.countable:
        try:
            cost = method_cost(method, 480, 640)
        except (Exception, SystemExit) as error:  # foreign code; its card is still worth a line
            log.warning("%s: its cost cannot be counted: %s: %s", spec, type(error).__name__, error)
        else:
            record |= {"parameters": cost.parameters, "multiply_accumulates": cost.multiply_accumulates}
    return record


def _record(card: MethodCard, status: str) -> dict[str, Any]:
    return {**card.to_dict(), "status": status, "parameters": None, "multiply_accumulates": None}


def _learned(spec: str) -> bool:
    """Tell whether ``spec`` is a built-in method that needs weights."""
    return spec in BUILTINS and (BUILTINS[spec].trainable or BUILTINS[spec].needs_weights)


def _waiting(name: str) -> str:
    """Return the status of a built-in method that has no weights yet."""
    return "trainable" if BUILTINS[name].trainable else "needs weights"


def _placeholder(name: str) -> MethodCard:
    """Return a card for a built-in method that cannot be made without weights."""
    title = BUILTINS[name].title or name
    return MethodCard(
        name=name, title=title, kind="learned", notes="Needs weights: regionfuse train makes them."
    )


def describe_all() -> list[dict[str, Any]]:
    """Return :func:`describe` of every built-in and installed method.

    An installed method that cannot be made is left out with a warning: a listing must not die of it.
    """
    records = []
    for name in names():
        try:
            # By the name it is asked for, which an installed method's card may not have.
            records.append({**describe(name), "name": name})
        except MethodError as error:
            log.warning("%s", error)
    return records


def card_of(name: str) -> MethodCard:
    """Return the card on the class of a built-in or installed method, else of an instance without weights."""
    cls = load_class(name)
    card = getattr(cls, "card", None)
    if isinstance(card, MethodCard):
        return card
    try:
        return create(name).card
    except MethodError:
        if not _learned(name):
            raise
        made = cls.untrained()
        return made.card if made is not None else _placeholder(name)


def _status(spec: str, method: FusionMethod, weights: Path | None) -> str:
    if weights is not None or method.network is None or method.card.weights_sha256:
        return "ready"
    return _waiting(spec) if spec in BUILTINS else "needs weights"


def _refuse_weights(spec: str, weights: Path | None) -> None:
    if weights is not None:
        raise MethodError(f"{spec}: takes no weights, found {weights}; leave them out")


def _external_card(name: str, notes: str, options: Mapping[str, Any] | None) -> MethodCard:
    """Make the card of a folder or a command; the name becomes lower case without odd characters."""
    given = dict(options or {})
    for key in given:
        if key not in EXTERNAL_OPTIONS:
            near = get_close_matches(key, EXTERNAL_OPTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(EXTERNAL_OPTIONS)}"
            raise MethodError(f"{name}: no option {key!r}; {hint}")
    name = str(given.pop("name", name))
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "external"
    fields = {"title": name, "notes": notes, "code_license": "", **given}
    fields["trained_on"] = data_sets(fields.get("trained_on"), name)
    return MethodCard(name=slug, kind="external", color="rgb", **fields)
