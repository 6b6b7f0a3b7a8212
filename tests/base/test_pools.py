"""Work on many items at once: who answers Ctrl-C."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from pipeline.base.pools import in_order


def is_held(_item):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_ctrl_c_reaches_the_caller_and_no_worker_that_is_still_starting():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert list(in_order(pool, is_held, [1, 2], ahead=1)) == [True, True]
    assert not is_held(None)
