"""Canvases as users write them, and what comes of each; in a world and with real workers.

``CASES`` has a row for each: how it is made, and what ``get`` returns.  Workers load this file by
its name, tests as a module.
"""

import os
import time

from taskq import TaskQ, chain, chord, group, maybe_signature, signature, subtask
from taskq.app.result import result_from_tuple
from taskq.canvas import Signature, StampingVisitor, xmap, xstarmap

__all__ = ["CASES", "app", "result_from_tuple"]

app = TaskQ(
    "surface",
    broker=os.environ.get("SURFACE_BROKER", "memory://"),
    backend=os.environ.get("SURFACE_STORE", "cache+memory://"),
)
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_redirect_stdouts=False,
    task_default_queue="surface",
    result_extended=True,
)


@app.task(name="add")
def add(x, y=0, *more, by=0):
    return sum((x, y, *more)) + by


@app.task(name="total")
def total(numbers, plus=0):
    return sum(numbers) + plus


@app.task(name="same")
def same(*args, **kwargs):
    return [list(args), kwargs] if kwargs or len(args) != 1 else args[0]


@app.task(name="fail")
def fail(*args):
    raise ValueError("no")


@app.task(name="naps", track_started=True)
def naps(seconds):
    time.sleep(seconds)


@app.task(bind=True, name="attempts")
def attempts(self, result, most=2):
    if self.request.retries < most:
        raise self.retry(countdown=0.01)
    return result


@app.task(bind=True, name="becomes")
def becomes(self, *args):
    *given, sig = args
    raise self.replace(maybe_signature(sig, app=app).clone(given))


@app.task(bind=True, name="grows")
def grows(self, number):
    self.add_to_chord(add.s(number, 1000))
    return number


@app.task(bind=True, name="again")
def again(self, rest):
    if rest:
        raise self.replace(self.signature_from_request(args=(rest - 1,)))
    return "done"


@app.task(bind=True, name="stamps")
def stamps(self, *args):
    return dict(self.request.stamps or {})


@app.task(bind=True, name="trail")
def trail(self):
    self.add_trail(app.AsyncResult("left-by-hand"))


class Named(StampingVisitor):
    def on_signature(self, sig, **headers):
        return {"task_name": sig.task}


def json_of(sig):
    """A signature after a journey through a message."""
    codec = app.ports.codec
    sent = codec.encode(sig, "json")
    data = codec.decode(
        sent.body, sent.content_type, sent.content_encoding, codec.accepted(["json"])
    )
    return Signature.from_dict(data, app=app)


def nested(levels):
    """A chord in the header of a chord, and so on."""
    canvas = add.s(1)
    for _ in range(levels):
        canvas = chord([canvas, add.s(1)], total.s())
    return canvas


def in_place():
    """A chain that grows by ``|=``."""
    canvas = add.s(1)
    canvas |= add.s(2)
    canvas |= add.s(3)
    return canvas


CASES = {
    # -- one signature ------------------------------------------------------------------------
    "s": (lambda: add.s(1, 2), 3),
    "si in a chain": (lambda: add.s(1) | add.si(2, 3), 5),
    "signature of a task": (lambda: signature(add, args=(1, 2)), 3),
    "signature of a name": (lambda: signature("add", args=(1, 2), app=app), 3),
    "app.signature": (lambda: app.signature("add", args=(1, 2)), 3),
    "signature of data": (lambda: signature(dict(add.s(1, 2)), app=app), 3),
    "subtask": (lambda: subtask(add.s(1, 2)), 3),
    "maybe_signature": (lambda: maybe_signature(dict(add.s(1, 2)), app=app), 3),
    "task.subtask": (lambda: add.subtask((1, 2)), 3),
    "task.signature": (lambda: add.signature((1,), {"by": 2}), 3),
    "partial": (lambda: add.s(2).partial((1,)), 3),
    "kwargs merge": (lambda: same.s(1, a=1, b=1).clone((0,), {"b": 2}), [[0, 1], {"a": 1, "b": 2}]),
    "clone of an immutable one": (lambda: add.si(1, 2).clone((5,)), 3),
    "replace": (lambda: add.s(1, 2, by=3).replace(args=(5,), kwargs={}), 5),
    "set": (lambda: add.s(1, 2).set(countdown=0, priority=3), 3),
    "set immutable": (lambda: add.s(1) | add.s(2, 3).set(immutable=True), 5),
    "in JSON": (lambda: json_of(add.s(1, by=2)), 3),
    "in place": (in_place, 6),
    "retries": (lambda: add.s(1) | attempts.s() | add.s(1), 2),
    # -- chains -------------------------------------------------------------------------------
    "chain": (lambda: chain(add.s(1), add.s(2), add.s(3)), 6),
    "chain of a list": (lambda: chain([add.s(1), add.s(2)]), 3),
    "chain of a generator": (lambda: chain(add.s(n) for n in (1, 2, 3)), 6),
    "chain of chains": (lambda: chain(add.s(1) | add.s(2), add.s(3) | add.s(4)), 10),
    "chain of one": (lambda: chain(add.s(1, 2)), 3),
    "chain in JSON": (lambda: json_of(add.s(1) | add.s(2) | add.s(3)), 6),
    "chain with args": (lambda: (add.s(1) | add.s(2)).clone((3,)), 6),
    "app.canvas chain": (lambda: app.canvas.chain(add.s(1), add.s(2)), 3),
    "long chain": (lambda: chain(add.s(1) for _ in range(60)), 60),
    # -- groups -------------------------------------------------------------------------------
    "group": (lambda: group(add.s(1), add.s(2)), [1, 2]),
    "group of a list": (lambda: group([add.s(1), add.s(2)]), [1, 2]),
    "group of a generator": (lambda: group(add.s(n) for n in range(20)), list(range(20))),
    "group with args": (lambda: group(add.s(1), add.s(2)).clone((10,)), [11, 12]),
    "empty group": (group, []),
    "group of one": (lambda: group(add.s(1)), [1]),
    "group in a group": (lambda: group(add.s(1), group(add.s(2), add.s(3))), [1, 2, 3]),
    "chains in a group": (lambda: group(add.s(1) | add.s(1), add.s(2) | add.s(2)), [2, 4]),
    "chord in a group": (lambda: group(chord([add.s(1), add.s(2)], total.s()), add.s(4)), [3, 4]),
    "group in JSON": (lambda: json_of(group(add.s(1), add.s(2))), [1, 2]),
    "skew": (lambda: group(add.s(1), add.s(2)).skew(start=0, step=0.01), [1, 2]),
    "task | group": (lambda: add.s(1) | group(add.s(1), add.s(2)), [2, 3]),
    "group | group": (lambda: group(add.s(1), add.s(2)) | group(total.s(), same.s()), [3, [1, 2]]),
    "map": (lambda: add.map([1, 2]), [1, 2]),
    "xmap": (lambda: xmap(add, [1, 2], app=app), [1, 2]),
    "starmap": (lambda: add.starmap([(1, 2), (3, 4)]), [3, 7]),
    "xstarmap": (lambda: xstarmap(add.s(), [(1, 2)], app=app), [3]),
    "map in a chain": (lambda: add.map([1, 2]) | total.s(), 3),
    "chunks": (lambda: add.chunks(zip(range(5), range(5), strict=True), 2), [[0, 2], [4, 6], [8]]),
    "chunks().group()": (lambda: add.chunks([(1, 2), (3, 4)], 1).group(), [[3], [7]]),
    "chunks | task": (lambda: add.chunks([(1, 2), (3, 4)], 1) | same.s(), [[3], [7]]),
    "chunks in JSON": (lambda: json_of(add.chunks([(1, 2), (3, 4)], 1)), [[3], [7]]),
    # -- chords -------------------------------------------------------------------------------
    "chord": (lambda: chord([add.s(1), add.s(2)], total.s()), 3),
    "chord of a generator": (lambda: chord((add.s(n) for n in range(20)), same.s()), [*range(20)]),
    "chord of a group": (lambda: chord(group(add.s(1), add.s(2)), total.s(plus=10)), 13),
    "chord of one": (lambda: chord([add.s(1)], same.s()), [1]),
    "chord of nothing": (lambda: chord([], same.s()), []),
    "chord without a body": (lambda: chord([add.s(1), add.s(2)]), [1, 2]),
    "chord with an immutable body": (lambda: chord([add.s(1)], add.si(5)), 5),
    "chord with a chain as body": (lambda: chord([add.s(1)], total.s() | add.s(1)), 2),
    "chord with a group as body": (lambda: chord([add.s(1)], group(same.s(), total.s())), [[1], 1]),
    "chord with a chord as body": (lambda: chord([add.s(1)], chord([total.s()], same.s())), [1]),
    "chord in JSON": (lambda: json_of(chord([add.s(1), add.s(2)], total.s())), 3),
    "group | task": (lambda: group(add.s(1), add.s(2)) | total.s(), 3),
    "group of one | task": (lambda: group(add.s(1)) | same.s(), [1]),
    "chord | task": (lambda: chord([add.s(1), add.s(2)], total.s()) | add.s(1), 4),
    "chord | group": (lambda: chord([add.s(1)], total.s()) | group(add.s(1), add.s(2)), [2, 3]),
    "chord | chord": (lambda: chord([add.s(1)], total.s()) | chord([add.s(2)], same.s()), [3]),
    "task | group | task": (lambda: add.s(1) | group(add.s(1), add.s(2)) | total.s(), 5),
    "groups of groups": (
        lambda: add.s(1) | group(add.s(1), group(add.s(2), add.s(3))) | same.s(),
        [2, 3, 4],
    ),
    "chains in a header": (lambda: chord([add.s(1) | add.s(1), add.s(3)], same.s()), [2, 3]),
    "chord in a header": (lambda: nested(4), 5),
    "group at the end of a chain in a header": (
        lambda: chord([add.s(1) | group(add.s(1), add.s(2)), add.s(9)], same.s()),
        [[2, 3], 9],
    ),
    "retries in a header": (lambda: chord([attempts.s(1), attempts.s(2)], total.s()), 3),
    # -- from inside of a task ----------------------------------------------------------------
    "replaced": (lambda: becomes.s(add.s(1, 2)), 3),
    "replaced in a chain": (lambda: add.s(1) | becomes.s(add.s(2)) | add.s(3), 6),
    "replaced by a chain": (lambda: becomes.s(add.s(1) | add.s(2)) | add.s(3), 6),
    "replaced by a group": (lambda: becomes.s(group(add.s(1), add.s(2))) | total.s(), 3),
    "replaced by a chord": (lambda: becomes.s(chord([add.s(1)], total.s())) | add.s(3), 4),
    "replaced in a header": (
        lambda: chord([becomes.s(add.s(1) | add.s(2)), add.s(4)], same.s()),
        [3, 4],
    ),
    "replaced by itself": (lambda: again.s(3), "done"),
    "add_to_chord": (lambda: chord([grows.s(1), add.s(2)], same.s()), [1, 2, 1001]),
    # -- stamps -------------------------------------------------------------------------------
    "stamp": (lambda: stamps.s().stamp(a=1), {"a": 1}),
    "stamp by a visitor": (lambda: stamps.s().stamp(Named(), a=1), {"task_name": "stamps", "a": 1}),
    "stamped chain": (lambda: (add.s(1) | stamps.s()).stamp(a=1), {"a": 1}),
    "stamped body": (lambda: chord([add.s(1)], stamps.s()).stamp(a=1), {"a": 1}),
    "appended stamp": (
        lambda: stamps.s().stamp(a="old").stamp(append_stamps=True, a="new"),
        {"a": ["new", "old"]},
    ),
}
