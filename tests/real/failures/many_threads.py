"""A client with many threads: each call gets its own value, in this process and in its child."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from failing import app, echo

THREADS, CALLS = 50, int(sys.argv[1])


def own_values(thread):
    """Call again and again; returns what was wrong."""
    sent = [f"{os.getpid()}-{thread}-{number}" for number in range(CALLS)]
    got = [echo.delay(value).get(timeout=60) for value in sent]
    return [pair for pair in zip(sent, got, strict=True) if pair[0] != pair[1]]


def in_threads():
    """Have all threads call at once."""
    with ThreadPoolExecutor(THREADS) as threads:
        return [wrong for found in threads.map(own_values, range(THREADS)) for wrong in found]


def in_a_child():
    """The same after a fork, with whatever connections the parent has left; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(1 if in_threads() else 0)


wrong = in_threads()
assert not wrong, wrong[:10]
assert echo.delay("once more").get(timeout=60) == "once more"
assert in_a_child() == 0
assert echo.delay("afterwards").get(timeout=60) == "afterwards"
app.close()
