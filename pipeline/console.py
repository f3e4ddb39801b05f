"""What the user sees while work goes on: one line a unit, a bar on terminals, plain lines in log files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .store import Progress as Report
from .store import listening

_QUIET_SECONDS = 15.0  # Without a terminal: a line at most this often.


class Screen:
    """Prints progress and messages.

    Args:
        verbosity: -1 errors only, 0 normal, 1 and more: details.
        console: where to print; standard error by default, so that standard output stays for results.
    """

    def __init__(self, verbosity: int = 0, console: Console | None = None) -> None:
        self.verbosity = verbosity
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: str, *, level: int = 0) -> None:
        """Print ``message`` when the verbosity is at least ``level``; markup is not interpreted."""
        if self.verbosity >= level:
            self.console.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Print a warning, unless errors only were asked for."""
        if self.verbosity >= 0:
            self.console.print(f"warning: {message}", style="yellow", markup=False)

    def error(self, message: str) -> None:
        """Print an error; always."""
        self.console.print(f"error: {message}", style="bold red", markup=False)

    @contextlib.contextmanager
    def task(self, title: str) -> Iterator[Report]:
        """Show work under way; yields the ``progress(done, total, message)`` callable to hand on."""
        if self.verbosity < 0:
            yield _silent
        elif self.console.is_terminal:
            with self._bar(title) as report:
                yield report
        else:
            with self._lines(title) as report:
                yield report

    @contextlib.contextmanager
    def _bar(self, title: str) -> Iterator[Report]:
        columns = (
            TextColumn("{task.fields[title]:<34}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task("", total=None, title=title)
            started = time.monotonic()

            def report(done: int, total: int, message: str) -> None:
                bar.update(task, completed=done, total=total or None, description=message)

            yield report
        self.say(f"{title:<34} done in {time.monotonic() - started:.1f} s")

    @contextlib.contextmanager
    def _lines(self, title: str) -> Iterator[Report]:
        started = spoken = time.monotonic()
        self.say(f"{title} ...")

        def report(done: int, total: int, message: str) -> None:
            nonlocal spoken
            now = time.monotonic()
            if now - spoken >= _QUIET_SECONDS:
                spoken = now
                self.say(f"{title}: {done}/{total} {message}")

        yield report
        self.say(f"{title} done in {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def shown_warnings(screen: Screen) -> Iterator[list[str]]:
    """Show the package's warnings on the screen, each once, and yield the growing list of them."""
    messages: list[str] = []

    def notice(message: str) -> None:
        if message not in messages:
            messages.append(message)
            screen.warn(message)

    with listening(notice):
        yield messages


def _silent(done: int, total: int, message: str) -> None:
    """Report nothing."""
