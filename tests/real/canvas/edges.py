"""The app of the tests that kill whoever ends a chord, right before or right after.

``python edges.py`` forks workers, one after the other: each kills itself (``kill -9``) at the edge
of the first chord that it ends, as EDGES_KILLS says; the last one is left alone.  They are forked
because a program that is started anew needs most of its time for that.
"""

import os
import signal
import sys

from taskq import TaskQ
from taskq.adapters.broker.kombu_intake import KombuIntake
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.results.redis import RedisStore
from taskq.cli.main import main as cli

app = TaskQ("edges", broker=os.environ["EDGES_BROKER"], backend=os.environ["EDGES_BACKEND"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    taskq_lease_s=1.0,
    taskq_delivery_limit=10_000,
    worker_redirect_stdouts=False,
)
ARGUMENTS = ["-A", "edges", "worker", "-P", "solo", "-l", "WARNING", "--without-mingle"]


def note(line):
    """Append one line, in one write, to a file that survives every kill."""
    handle = os.open(os.environ["EDGES_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


@app.task
def member(number):
    return number


@app.task(bind=True)
def body(self, numbers, name):
    again = "again" if self.request.delivery_info["redelivered"] else "first"
    note(f"body {name} {self.request.id} {again} {sum(numbers)}")


def die(edge, of):
    """End as by the end of a machine."""
    note(f"kill {edge} {','.join(of)}")
    os.kill(os.getpid(), signal.SIGKILL)


def around_commits(kind, edge):
    """Die before or after the commit that ends a chord."""
    commit = kind.commit

    def hooked(self, completions, store):
        ended = [ending.group_id for one in completions for ending in one.endings]
        if ended and edge == "counted":
            die(edge, ended)
        full = commit(self, completions, store)
        if ended and edge == "ended":
            die(edge, ended)
        return full

    kind.commit = hooked


def before_the_end():
    """Die when the body is out, and the chord's end is not noted yet."""
    end_chord = RedisStore.end_chord

    def hooked(self, group_id):
        die("sent", [group_id])
        end_chord(self, group_id)

    RedisStore.end_chord = hooked


def work(edge):
    """Be a worker."""
    for kind in (RedisIntake, KombuIntake):
        around_commits(kind, edge)
    if edge == "sent":
        before_the_end()
    cli(ARGUMENTS)


def main(edges):
    """Let workers die, one after the other, and one live."""
    for number, edge in enumerate([*edges, "none"]):
        child = os.fork()
        if not child:
            sys.argv[0] = f"worker {number}"
            work(edge)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"worker {number} ended by itself: {status}")


if __name__ == "__main__":
    main(os.environ["EDGES_KILLS"].split())
