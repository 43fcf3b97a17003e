"""How an exception is brought into a thread from outside: at its next bytecode.

What the thread waits for in C (a lock, a socket, ``time.sleep``) is not interrupted; the exception
comes when that returns.  One at a time: a second one takes the place of one that has not come yet.

A thread is found by its number, and the system gives the number of a thread that is gone to
another one.  So a thread says when it goes, and does not go while something is being raised; the
two see each other as in ``limits.py``, "The end of the race".

The interpreter keeps a flag for all threads: an exception waits for some thread.  It is taken
down when an exception comes, not when one is taken back, nor when its thread ends before; as long
as it is up every thread looks for an exception after every call, and with a tracer (a debugger,
a coverage tool) CPython 3.11 does nothing else any more.  The flag is not needed: a thread looks
whenever it gets its turn to run.  So it is taken down at once, by an exception to ourselves.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Final

_set_exception: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_exception.restype = ctypes.c_int


class Terminated(SystemExit):
    """The pool ends the body.  As ``SystemExit`` it ends a thread without a word."""


class _NothingError(Exception):
    """What a thread raises in itself, to have it over."""


class Reach:
    """Into one thread, as long as it is there."""

    def __init__(self) -> None:
        self._ident: int | None = None
        self._raising = False

    def enter(self) -> None:
        """The thread that calls it can be reached from now on."""
        self._ident = threading.get_ident()

    def leave(self) -> None:
        """The thread ends."""
        self._ident = None
        while self._raising:
            time.sleep(0)

    def throw(self, kind: type[BaseException]) -> None:
        """Raise in the thread, unless it is gone.  Called by one thread only."""
        self._raising = True
        try:
            ident = self._ident
            if ident is not None:
                raise_in_thread(ident, kind)
        finally:
            self._raising = False


def raise_in_thread(ident: int, kind: type[BaseException]) -> None:
    """Raise in another thread, which is there."""
    _set_exception(ident, kind)
    forget()


def forget() -> None:
    """What was to be raised in this thread, and was not, is not; and the flag is down."""
    try:
        _set_exception(threading.get_ident(), _NothingError)
        while True:  # it comes at the latest when the loop turns
            pass
    except _NothingError:
        pass
