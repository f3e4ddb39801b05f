"""The fourth door: a foreign program, run once per set in its own environment.

``command:/envs/gan/bin/python test.py --ir {infrared} --vi {visible} --save {out}``

The three placeholders become folders. ``{infrared}`` and ``{visible}`` hold copies of the original files,
which no program can damage, named ``STEM.suffix`` so that halves of a pair share their stem; the program
writes ``STEM.png`` (or another usual image type) of the same size into ``{out}``. The program runs in the
current folder, without a shell and without a time limit.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ...datasets.errors import MethodError, StorageError
from ...datasets.records import Pair
from ..card import MethodCard
from .finished import Delivery, FinishedImages, Progress, find_images
from .specs import IMAGE_SUFFIXES, PLACEHOLDERS, split_command

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.5
GRACE_SECONDS = 10.0
TAIL_CHARACTERS = 400


class CommandMethod(FinishedImages):
    """A program that fuses a folder of infrared and a folder of visible images into a third."""

    def __init__(self, command: str, card: MethodCard) -> None:
        """Check the command line; nothing runs yet."""
        self.command = command
        self.words = split_command(command)
        self.card = card

    def deliver(self, pairs: Sequence[Pair], scratch: Path, progress: Progress | None = None) -> Delivery:
        """Run the program on all pairs at once."""
        folders = {name: scratch / name.strip("{}") for name in PLACEHOLDERS}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for pair in pairs:
            for name, path in (("{infrared}", pair.infrared), ("{visible}", pair.visible)):
                _copy(path, folders[name] / f"{pair.stem}{path.suffix.lower()}")
        words = self.words
        for name, folder in folders.items():
            words = [word.replace(name, str(folder.resolve())) for word in words]
        started = time.perf_counter()
        tail = self._run(words, scratch, folders["{out}"], len(pairs), progress)
        seconds = time.perf_counter() - started
        stems = [pair.stem for pair in pairs]
        made_by = f"; the command succeeded and said: {tail}" if tail else "; the command succeeded silently"
        return Delivery(find_images(self.card.name, folders["{out}"], stems, made_by=made_by), seconds)

    def _run(self, words: list[str], scratch: Path, out: Path, total: int, progress: Progress | None) -> str:
        """Run the program to its end; return the last lines it printed."""
        logs = (scratch / "stdout.txt", scratch / "stderr.txt")
        log.info("%s: running %s", self.card.name, shlex.join(words))
        with logs[0].open("wb") as stdout, logs[1].open("wb") as stderr:
            try:
                process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
            except OSError as error:
                raise MethodError(
                    f"{self.card.name}: cannot run {words[0]!r}: {error.strerror}; give the full path of the "
                    "program"
                ) from error
            try:
                while process.poll() is None:
                    if progress is not None:
                        done = sum(path.suffix.lower() in IMAGE_SUFFIXES for path in out.glob("*"))
                        progress(min(done, total), total, f"{Path(words[0]).name} is running")
                    try:
                        process.wait(LOOK_EVERY_SECONDS)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if process.poll() is None:  # an exception, Ctrl-C among them: do not leave it running
                    process.terminate()
                    try:
                        process.wait(GRACE_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()
        tail = next((text for text in map(_tail, reversed(logs)) if text), "")
        if process.returncode != 0:
            raise MethodError(
                f"{self.card.name}: the command ended with status {process.returncode}: "
                f"{tail or 'it printed nothing'} (command: {shlex.join(words)})"
            )
        return tail


def _copy(path: Path, to: Path) -> None:
    """Copy an image; a link would let the program write through to the original."""
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        raise StorageError(f"cannot copy {path} to {to.parent}: {error.strerror or error}") from error


def _tail(path: Path) -> str:
    """Return the end of a log on one line."""
    lines = path.read_bytes()[-8192:].decode(errors="replace").split("\n")
    text = " | ".join(line.strip() for line in lines if line.strip())
    return text if len(text) <= TAIL_CHARACTERS else "..." + text[-TAIL_CHARACTERS:]
