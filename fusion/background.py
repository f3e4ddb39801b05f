"""Read ahead and write behind on a few threads, or do it at once when there are none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 4


class Background:
    """A bounded pool of threads for image files, used as a context manager.

    With no workers everything happens at once in the calling thread: on a CPU, threads that decode images
    would take the cores of the method being timed.
    """

    def __init__(self, workers: int) -> None:
        """Start ``workers`` threads; 0 for none."""
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._pending: deque[Future[Any]] = deque()

    def ahead(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` in order, working on the next few items meanwhile."""
        if self._pool is None:
            yield from map(function, items)
            return
        queue: deque[Future[Result]] = deque()
        for item in items:
            queue.append(self._pool.submit(function, item))
            if len(queue) > DEPTH:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()

    def later(self, function: Callable[..., None], *args: object) -> None:
        """Call ``function`` soon; an exception it raises comes out of a later call or of the exit."""
        if self._pool is None:
            function(*args)
            return
        self._pending.append(self._pool.submit(function, *args))
        while len(self._pending) > DEPTH:
            self._pending.popleft().result()

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            while self._pending:
                self._pending.popleft().result()
