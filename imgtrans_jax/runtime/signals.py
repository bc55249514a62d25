"""Ctrl-C, SIGTERM and SIGHUP as a question that a loop asks. Imports nothing here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Any, NoReturn

from jax.experimental import multihost_utils


class Interrupted(Exception):
    """A signal ended the work, and what there was is saved.

    Attributes:
        code: The program's exit code.

    Args:
        words: The message.
        code: 128 + the signal's number, or that of Ctrl-C for all.
    """

    def __init__(self, words: str, code: int = 128 + signal.SIGINT) -> None:
        super().__init__(words)
        self.code = code


class Stop:
    """Ctrl-C, SIGTERM and SIGHUP, which comes when a terminal is closed or a connection lost.

    Once it is armed they are a question that the loop asks after each step, so that it can save; a
    second Ctrl-C stops at once. Before that there is nothing to save: they do what they did, or end
    the program. One that came after the last question does what it did before, at the end, so that
    a longer program does not go on. A signal that is ignored (SIGHUP under nohup) stays so.

    Args:
        at_once: This process is a program that a signal may end before it is armed, also while XLA
            compiles.
        together: Several processes train together: they stop after the same step, which jax agrees
            on, and SIGTERM is jax's.
    """

    def __init__(self, at_once: bool = False, together: bool = False) -> None:
        self.at_once, self.together, self.armed = at_once, together, False
        self.signal: int | None = None
        self.told = False  # whether the loop knows of it
        self.before: dict[int, Any] = {}
        self.terminals: list[int] = []
        self.sender: socket.socket | None = None

    def __enter__(self) -> Stop:
        if self.at_once:
            self._take_over()
            self._watch()
        return self

    def arm(self) -> None:
        self.armed = True
        self._take_over()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.sender:
            signal.set_wakeup_fd(self.descriptor_before)
            self.sender.close()
        if self.signal is not None and not self.told and kind is None and not self.at_once:
            signal.raise_signal(self.signal)

    def _take_over(self) -> None:
        if not self.before and threading.current_thread() is threading.main_thread():
            # With several processes SIGTERM belongs to jax, which brings all of them to the same
            # step.
            wanted = [signal.SIGINT] if self.together else [signal.SIGINT, signal.SIGTERM]
            if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                wanted.append(signal.SIGHUP)
            self.before = {number: signal.signal(number, self._note) for number in wanted}
            self.terminals = [number for number in (1, 2) if os.isatty(number)]

    def asked(self, step: int) -> bool:
        if self.together:
            self.told = multihost_utils.reached_preemption_sync_point(step)
        else:
            self.told = self.signal is not None
        return self.told

    def _watch(self) -> None:
        """Python's own handlers wait for the main thread, which may be in XLA for minutes; this
        thread hears of a signal at once.
        """
        receiver, self.sender = socket.socketpair()
        self.sender.setblocking(False)
        self.descriptor_before = signal.set_wakeup_fd(
            self.sender.fileno(), warn_on_full_buffer=False
        )
        threading.Thread(target=self._listen, args=(receiver,), daemon=True).start()

    def _listen(self, receiver: socket.socket) -> None:
        with receiver:
            while number := receiver.recv(1):
                if number[0] in self.before and not self.armed:
                    _leave(number[0])

    def _note(self, number: int, _: object) -> None:
        if not self.armed:  # not left to the thread, which may come to it after `arm`
            _leave(number)
        if self.signal is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.signal = number
        if hasattr(signal, "SIGHUP") and number == signal.SIGHUP:
            self._leave_the_terminal()
        with contextlib.suppress(RuntimeError, OSError):  # it met a print; the terminal is gone
            print("Stopping after the steps that are under way; saving …", flush=True)
        if self.together:
            os.kill(os.getpid(), signal.SIGTERM)

    def _leave_the_terminal(self) -> None:
        """What is printed to a terminal that is gone would raise an error, and that would lose the
        state.
        """
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self.terminals:
            os.dup2(nowhere, number)
        os.close(nowhere)


def _leave(number: int) -> NoReturn:
    """Ends a program that has nothing to save."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, b"\nStopped; there was nothing new to save.\n")
    os._exit(128 + number)
