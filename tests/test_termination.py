"""SIGTERM waits for the end of what must not be cut, once."""

import signal

import pytest

from pipeline.termination import finishing, interrupt


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_sigterm_comes_at_the_end_of_the_block():
    done = []

    def work():
        with finishing():
            signal.raise_signal(signal.SIGTERM)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]
    assert signal.getsignal(signal.SIGTERM) is interrupt


def test_a_second_one_comes_at_once():
    done = []

    def work():
        with finishing():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not done


def test_without_one_nothing_happens():
    with finishing():
        pass
    with pytest.raises(ZeroDivisionError), finishing():
        raise ZeroDivisionError
