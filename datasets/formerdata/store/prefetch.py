"""The next batch is made while the last one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_END = object()


class Prefetch(Iterator[T], Generic[T]):
    """The items of an iterable, which one thread in the background goes through ahead of the caller.

    An error of the iterable is raised where its item would have come. The thread ends with the iterable, on
    :meth:`close`, at the end of a ``with`` block, or when this object is collected; the iterable is then closed in the
    thread if it is a generator.

    Args:
        items: Used in the background thread alone.
        depth: Most items that wait.

    Raises:
        ValueError: If ``depth`` is below 1.
    """

    def __init__(self, items: Iterable[T], depth: int = 1) -> None:
        self._queue: queue.Queue[tuple[object, BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        if depth < 1:
            raise ValueError(f"depth: expected at least 1, got {depth}")
        # The thread must not hold this object, or it would never be collected.
        args = (items, self._queue, self._stop)
        self._thread = threading.Thread(target=_fill, args=args, name="prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        if self._stop.is_set():
            raise StopIteration
        item, error = self._queue.get()
        if item is _END:
            self.close()
            if error is not None:
                raise error
            raise StopIteration
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Stop the thread and wait for it; what it has made is dropped. Further items: none."""
        self._stop.set()
        _drain(self._queue)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        # No wait: the interpreter may be ending.
        self._stop.set()
        _drain(self._queue)


def _fill(items: Iterable[T], waiting: queue.Queue[tuple[object, BaseException | None]], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        iterator = iter(items)
        try:
            for item in iterator:
                if not _put(waiting, (item, None), stop):
                    break
        finally:
            if hasattr(iterator, "close"):
                iterator.close()
    except BaseException as raised:  # whatever it is, it belongs to the caller
        error = raised
    _put(waiting, (_END, error), stop)


def _put(
    waiting: queue.Queue[tuple[object, BaseException | None]],
    item: tuple[object, BaseException | None],
    stop: threading.Event,
) -> bool:
    """Whether there was room before the end was asked for."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _drain(waiting: queue.Queue[tuple[object, BaseException | None]]) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        pass
