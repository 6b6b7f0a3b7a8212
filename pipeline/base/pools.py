"""Work on many items at once, with a bound on the results that wait."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    pool: Executor, work: Callable[[T], R], items: Iterable[T], *, ahead: int
) -> Iterator[R]:
    """Yield the results in the order of the items; work on at most ``ahead`` unread ones.

    Processes that the pool starts never get Ctrl-C: the caller answers it.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            with _ctrl_c_held():  # workers inherit this, and would die of it while they import
                waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also after an error, or when the caller stops early
        for future in waiting:
            future.cancel()


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
