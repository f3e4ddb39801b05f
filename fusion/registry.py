"""Fusion methods by name: built-in, installed, in a file, in a folder, behind a command.

A *spec* is what a user writes for a source:

- a built-in name such as ``laplacian``, see :func:`names`;
- the name of an entry point in the group ``regionfuse.methods``;
- ``path/to/file.py:ClassName`` (the class may be left out when the file holds one);
- ``folder:PATH``, images that are already fused, by stem;
- ``command:PROGRAM ... {infrared} {visible} {out}``, a program run once per set.

Listing names imports no method; a method is imported when it is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import MethodError
from .card import MethodCard

if TYPE_CHECKING:
    from .contract import FusionMethod

log = logging.getLogger(__name__)

FOLDER, COMMAND = "folder:", "command:"
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


@dataclass(frozen=True, slots=True)
class Builtin:
    """Where a built-in method lives.

    Attributes:
        module: module relative to this package.
        cls: class in it.
        version: raised when the method's output changes, so that cached images are made anew.
        trainable: True when the method needs weights that ``regionfuse train`` can make.
    """

    module: str
    cls: str
    version: int = 1
    trainable: bool = False


BUILTINS: Mapping[str, Builtin] = {
    "visible": Builtin(".methods.controls", "Visible"),
    "infrared": Builtin(".methods.controls", "Infrared"),
    "average": Builtin(".methods.trivial", "Average"),
    "maximum": Builtin(".methods.trivial", "Maximum"),
    "laplacian": Builtin(".methods.laplacian", "Laplacian"),
    "guided": Builtin(".methods.guided", "Guided"),
    "regionfuse": Builtin(".regionfuse.method", "RegionFuseMethod", trainable=True),
}


def names() -> tuple[str, ...]:
    """Return the names of all built-in and installed methods; imports none of them."""
    from .doors.entry_point import installed

    return (*BUILTINS, *(name for name in installed() if name not in BUILTINS))


def create(
    spec: str, *, weights: Path | None = None, options: Mapping[str, Any] | None = None
) -> FusionMethod:
    """Make a method.

    Args:
        spec: see the module's text.
        weights: checkpoint for methods that take one.
        options: keywords of the method's constructor (e.g. ``preset`` of RegionFuse); for ``folder:`` and
            ``command:`` any of ``name, title, citation, year, code_license, weights_license, trained_on,
            notes`` of its card.

    Raises:
        MethodError: there is no such method, or it cannot be made.
    """
    from .doors import build

    if spec.startswith(FOLDER):
        from .doors.folder import FolderMethod

        _refuse_weights(spec, weights)
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        return FolderMethod(folder, _external_card(folder.resolve().name, "Images fused elsewhere.", options))
    if spec.startswith(COMMAND):
        from .doors.command import CommandMethod, split_command

        _refuse_weights(spec, weights)
        command = spec.removeprefix(COMMAND).strip()
        script = next((w for w in reversed(split_command(command)) if w.endswith((".py", ".sh"))), "command")
        return CommandMethod(
            command, _external_card(Path(script).stem, "Made by a foreign program.", options)
        )
    return build.build(load_class(spec), spec, weights, options)


def load_class(spec: str) -> type[FusionMethod]:
    """Return the class behind a built-in name, an installed name, or a Python file.

    Raises:
        MethodError: there is none; the message names the nearest one.
    """
    from .doors.entry_point import installed
    from .doors.entry_point import load_class as load_installed
    from .doors.python_file import is_file_spec
    from .doors.python_file import load_class as load_file

    if is_file_spec(spec):
        return load_file(spec)
    if spec in BUILTINS:
        entry = BUILTINS[spec]
        return getattr(importlib.import_module(entry.module, __package__), entry.cls)
    plugins = installed()
    if spec in plugins:
        return load_installed(plugins[spec])
    raise MethodError(_unknown(spec))


def cards() -> dict[str, MethodCard]:
    """Return the cards of all built-in and installed methods by name.

    An installed method that cannot be imported is left out with a warning.
    """
    found: dict[str, MethodCard] = {}
    for name in names():
        try:
            found[name] = _card(name)
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
    from .doors.finished import FinishedImages
    from .efficiency import method_cost

    method = create(spec, weights=weights, options=options)
    record = method.card.to_dict()
    record |= {"status": _status(spec, method, weights), "parameters": None, "multiply_accumulates": None}
    if not isinstance(method, FinishedImages):
        cost = method_cost(method, 480, 640)
        record |= {"parameters": cost.parameters, "multiply_accumulates": cost.multiply_accumulates}
    return record


def describe_all() -> list[dict[str, Any]]:
    """Return :func:`describe` of every built-in and installed method.

    An installed method that cannot be made is left out with a warning: a listing must not die of it.
    """
    records = []
    for name in names():
        try:
            records.append(describe(name))
        except MethodError as error:
            log.warning("%s", error)
    return records


def fingerprint(spec: str, weights: Path | None = None, options: Mapping[str, Any] | None = None) -> str:
    """Return a hash of everything that defines a method's output, without running it.

    It covers, by kind of spec: the name and version of a built-in method; version and code of an installed
    one; the file and the neighbours it imports; names, sizes and times of a folder's images; a command line
    and the files named in it. Weights count by content, options by value.

    Raises:
        MethodError: the method or the weights do not exist.
    """
    digest = hashlib.sha256()
    for part in (*_parts(spec), *(f"{key}={value!r}" for key, value in sorted((options or {}).items()))):
        digest.update(part.encode() + b"\0")
    if weights is not None:
        if not weights.is_file():
            raise MethodError(f"{spec}: weights {weights} do not exist")
        digest.update(_file_hash(weights).encode())
    return digest.hexdigest()


def _parts(spec: str) -> list[str]:
    """Return the texts that :func:`fingerprint` hashes for ``spec``."""
    from .doors.entry_point import content_hash, installed
    from .doors.python_file import is_file_spec, source_files, split_spec

    if spec.startswith(FOLDER):
        from .doors.finished import IMAGE_SUFFIXES

        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        if not folder.is_dir():
            raise MethodError(f"{spec}: there is no folder {folder}")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        stats = [(path.name, path.stat()) for path in files]
        return ["folder", *(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)]
    if spec.startswith(COMMAND):
        from .doors.command import split_command

        command = spec.removeprefix(COMMAND).strip()
        files = [Path(word) for word in split_command(command) if Path(word).is_file()]
        return ["command", command, *(_file_hash(path) for path in files)]
    if is_file_spec(spec):
        path, name = split_spec(spec)
        return ["file", name or "", *(_file_hash(file) for file in source_files(path))]
    if spec in BUILTINS:
        return ["builtin", spec, str(BUILTINS[spec].version)]
    plugins = installed()
    if spec in plugins:
        return ["entry point", content_hash(plugins[spec])]
    raise MethodError(_unknown(spec))


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _card(name: str) -> MethodCard:
    """Return the card on the class, or of an instance where the class has none."""
    card = getattr(load_class(name), "card", None)
    return card if isinstance(card, MethodCard) else create(name).card


def _status(spec: str, method: FusionMethod, weights: Path | None) -> str:
    if weights is not None or method.network is None or method.card.weights_sha256:
        return "ready"
    builtin = BUILTINS.get(spec)
    return "trainable" if builtin is not None and builtin.trainable else "needs weights"


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
    fields["trained_on"] = tuple(fields.get("trained_on", ()))
    return MethodCard(name=slug, kind="external", color="rgb", **fields)


def _unknown(spec: str) -> str:
    known = names()
    near = get_close_matches(spec.lower(), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "give a name, file.py:Class, folder:PATH or command:..."
    return f"no fusion method {spec!r}; {hint} Known: {', '.join(known)}"
