"""Signals as something to look at: the first one is noted, the second does what it did before."""

import os
import signal
import threading

import pytest

from ganns.utils.signals import Stop, stop_on_signals


@pytest.fixture
def handlers():
    """Put everything back, whatever the test does."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_first_is_noted_and_the_second_interrupts():
    with stop_on_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("handlers")
def test_others_are_noted_too(number):
    signal.signal(number, signal.SIG_DFL)
    with stop_on_signals() as stop:
        signal.raise_signal(number)
        assert stop.is_set()
        assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.usefixtures("handlers")
def test_nohup_stays():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_on_signals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()


def test_off_the_main_thread_nothing_is_installed():
    seen = []

    def work():
        with stop_on_signals() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.usefixtures("handlers")
def test_a_handler_may_set_it_while_its_own_thread_waits():
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    assert not stop.wait(0.0)
    alarm = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM])
    alarm.start()
    assert stop.wait(60)
    alarm.join()
    assert stop.wait()
