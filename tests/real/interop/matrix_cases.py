"""What a client of either library sends to workers of both, and what must come of it.

A case is a generator: what it sends comes before its first ``yield``, what it waits for after.
So all are sent first.  ``q`` puts a signature on a queue: that of Celery's worker, that of taskq's,
or each of the two in turn.
"""

import itertools
import os
import time
from datetime import UTC, datetime, timedelta

import matrix as m
from celery import Celery, chain, chord, group
from celery.contrib.abortable import AbortableAsyncResult
from celery.exceptions import (
    NotRegistered,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
)
from celery.result import AsyncResult, GroupResult, result_from_tuple

WAIT = float(os.environ.get("MATRIX_WAIT", "90"))
LONG = 200
CASES = {}
NEEDS = {}
ALONE = set()


class Queues:
    """The queues of one run of a case."""

    def __init__(self, where, mark):
        names = ("celery", "taskq") if where == "both" else (where,)
        self.where, self.mark = where, mark
        self._names = itertools.cycle(names)

    def __call__(self, sig):
        return sig.set(queue=self.next())

    def next(self):
        return next(self._names)

    def library(self, said):
        """Who ran it: the library whose queue it was."""
        assert said in ((self.where,) if self.where != "both" else ("celery", "taskq")), said


def case(made=None, *, needs="", alone=False):
    """Add a case; it may need a store that counts chords, or is shared, or results in JSON.

    What is ``alone`` has a slot of a worker to itself until its client has waited for it.
    """

    def add(function):
        CASES[function.__name__] = function
        NEEDS[function.__name__] = needs
        if alone:
            ALONE.add(function.__name__)
        return function

    return add(made) if made else add


def until(true, what="it"):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + WAIT
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)
    return found


def lines(key, count):
    """Wait until so many lines are in the ledger, and return them all."""
    with m.ledger() as server:
        return until(
            lambda: found if len(found := server.lrange(f"ledger:{key}", 0, -1)) >= count else None,
            f"line {count} of {key}",
        )


def raised(result, kind):
    """Return the exception that ``get`` raises."""
    try:
        got = result.get(timeout=WAIT)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}, but {got!r}")


def simple(name, make, expected, needs=""):
    """Add a case of one canvas and one value."""

    def run(q):
        result = make(q)
        yield
        assert (got := result.get(timeout=WAIT)) == expected, got

    CASES[name], NEEDS[name] = run, needs


def t(task, *args, **kwargs):
    """A signature that no queue is chosen for yet."""
    return task.s(*args, **kwargs)


# -- calls ---------------------------------------------------------------------------------------

simple("plain", lambda q: q(t(m.add, 2, 3)).delay(), 5)
simple(
    "kwargs",
    lambda q: q(t(m.same, 1, a=[2], b={"c": None})).delay(),
    [[1], {"a": [2], "b": {"c": None}}],
)
simple("unicode", lambda q: q(t(m.same, "żółw", k="🐢")).delay(), [["żółw"], {"k": "🐢"}])
simple("nothing", lambda q: q(t(m.same)).delay(), [[], {}])
simple("a megabyte", lambda q: q(t(m.same, "x" * 2**20)).delay(), [["x" * 2**20], {}])
for _serializer in ("json", "pickle", "yaml", "msgpack"):
    simple(
        f"serializer {_serializer}",
        lambda q, s=_serializer: q(t(m.same, 1, "two", [3.5], k=None)).set(serializer=s).delay(),
        [[1, "two", [3.5]], {"k": None}],
    )
for _serializer in ("json", "pickle", "msgpack"):  # Celery's signatures have no YAML
    simple(
        f"chain in {_serializer}",
        lambda q, s=_serializer: chain(
            q(t(m.add, 1)).set(serializer=s), q(t(m.add, 2)).set(serializer=s), q(t(m.add, 3))
        ).delay(),
        6,
    )
for _compression in ("gzip", "zlib", "bzip2", "lzma", "brotli", "zstd"):
    simple(
        f"compression {_compression}",
        lambda q, c=_compression: q(t(m.same, "x" * 5000)).set(compression=c).delay(),
        [["x" * 5000], {}],
    )
simple("countdown", lambda q: q(t(m.add, 1, 1)).apply_async(countdown=1.2), 2)
simple(
    "an eta of another zone",
    lambda q: q(t(m.add, 1, 2)).apply_async(
        eta=(datetime.now(UTC) + timedelta(seconds=1)).astimezone()
    ),
    3,
)
simple("not yet expired", lambda q: q(t(m.add, 1, 3)).apply_async(expires=WAIT), 4)
simple("by name", lambda q: m.app.send_task("m.add", (2, 2), queue=q.next()), 4)


@case
def who_ran_it(q):
    result = q(t(m.who)).delay()
    yield
    q.library(result.get(timeout=WAIT))


@case
def types_of_json(q):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    result = q(t(m.typed, moment)).delay()
    yield
    assert result.get(timeout=WAIT) == ["datetime", str(moment)]


@case
def expired(q):
    """It does not run; RabbitMQ may drop it before a worker can say so, whoever sent it."""
    sig = m.noted.s("ran", q.mark)
    past = datetime.now(UTC) - timedelta(seconds=5)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    queue = q.next()
    results = [
        sig.apply_async(queue=queue, expires=past),
        sig.apply_async(queue=queue, expires=soon, countdown=2),
    ]
    after = m.add.apply_async((1, 1), queue=queue, countdown=3)
    yield
    assert after.get(timeout=WAIT) == 2
    if m.BROKER.startswith("redis"):
        for result in results:
            raised(result, TaskRevokedError)
    assert {each.state for each in results} <= {"REVOKED", "PENDING"}
    with m.ledger() as server:
        assert server.llen(f"ledger:{q.mark}") == 0


@case
def priority(q):
    result = q(t(m.seen)).apply_async(priority=7)
    yield
    assert result.get(timeout=WAIT)["priority"] == 7


@case
def what_a_body_sees(q):
    result = q(t(m.seen, 1, k=2)).apply_async(
        headers={"customer": "kim"},
        shadow="another name",
        time_limit=50,
        soft_time_limit=40,
        argsrepr="(one)",
    )
    yield
    seen = result.get(timeout=WAIT)
    assert seen["id"] == seen["root_id"] == seen["correlation_id"] == result.id, seen
    assert (seen["args"], seen["kwargs"], seen["retries"]) == ([1], {"k": 2}, 0), seen
    assert seen["parent_id"] is None, seen
    assert seen["timelimit"] == [50, 40], seen
    assert (seen["shadow"], seen["customer"]) == ("another name", "kim"), seen
    assert seen["argsrepr"] == "(one)", seen
    assert seen["routing_key"] in ("celery", "taskq"), seen
    assert (seen["redelivered"], seen["ignore_result"]) == (False, False), seen


@case
def children_know_their_parents(q):
    result = q(t(m.sends, q.next())).delay()
    yield
    me, root, child = result.get(timeout=WAIT)
    assert me == root == result.id
    if m.STORE != "rpc://":
        found = AsyncResult(child, app=m.app).get(timeout=WAIT)
        assert (found["parent_id"], found["root_id"]) == (me, root), found


@case
def ignored_results(q):
    result = q(t(m.silent, q.mark)).delay()
    yield
    lines(q.mark, 1)
    assert result.state == "PENDING"


@case
def a_shared_queue(q):
    results = [m.add.s(n, n).set(queue="shared").delay() for n in range(30)]
    yield
    assert [each.get(timeout=WAIT) for each in results] == [2 * n for n in range(30)]


@case
def a_broadcast(q):
    m.everywhere.apply_async((q.mark,), queue="everybody", exchange="everybody")
    yield
    assert sorted(lines(q.mark, 2)) == ["celery", "taskq"]


# -- failures, retries ---------------------------------------------------------------------------


@case
def errors_are_rebuilt(q):
    kinds = [("ValueError", "boom"), ("KeyError", "k"), ("Sold", "tea", 2), ("locked",)]
    results = [q(t(m.fail, *kind)).delay() for kind in kinds]
    chained = q(t(m.fail, "chained")).delay()
    yield
    assert raised(results[0], ValueError).args == ("boom",)
    assert raised(results[1], KeyError).args == ("k",)
    sold = raised(results[2], m.Sold)
    assert (sold.thing, sold.count) == ("tea", 2)
    assert "locked" in str(raised(results[3], Exception))
    assert raised(chained, RuntimeError).args == ("outer",)
    assert all(each.state == "FAILURE" for each in [*results, chained])
    assert "ValueError: boom" in results[0].traceback
    assert "KeyError: 'inner'" in chained.traceback


@case(needs="json")  # a pickle of it can be read by nobody
def errors_of_classes_that_a_client_has_not(q):
    result = q(t(m.fail, "only in workers", 5)).delay()
    yield
    error = raised(result, Exception)
    assert type(error).__name__ == "OnlyInWorkers", error
    assert "5" in str(error), error


@case
def results_that_cannot_be_written(q):
    result = q(t(m.unspeakable)).delay()
    yield
    assert "lock" in str(raised(result, Exception))


@case
def nobody_knows_the_task(q):
    result = m.app.send_task("m.no_such_task", queue=q.next())
    yield
    raised(result, NotRegistered)


@case
def retries(q):
    results = [q(t(m.again, "v")).delay(), q(t(m.again, "w", most=1, countdown=1.5)).delay()]
    auto = q(t(m.auto, 5)).delay()
    yield
    assert [each.get(timeout=WAIT) for each in results] == [["v", 2], ["w", 1]]
    assert auto.get(timeout=WAIT) == 5


@case
def retries_wander(q):
    """On a queue of both, each attempt may be with another."""
    results = [m.again.s(n, most=4).set(queue="shared").delay() for n in range(10)]
    yield
    assert [each.get(timeout=WAIT) for each in results] == [[n, 4] for n in range(10)]


@case
def a_retry_that_gives_up(q):
    result = q(t(m.gives_up)).delay()
    yield
    assert raised(result, m.Sold).args == ("tea", 3)


@case
def handlers_of_classes(q):
    good = q(t(m.counted, q.mark + "good", fails=False)).delay()
    bad = q(t(m.counted, q.mark + "bad", fails=True)).delay()
    yield
    assert good.get(timeout=WAIT) == 7
    raised(bad, ValueError)
    assert sorted(lines(q.mark + "good", 3)) == sorted([
        f"on_retry|{good.id}",
        f"on_success|{good.id}|7", "after_return|SUCCESS",
    ])  # fmt: skip
    assert sorted(lines(q.mark + "bad", 3)) == sorted([
        f"on_retry|{bad.id}",
        f"on_failure|{bad.id}|ValueError|True", "after_return|FAILURE",
    ])  # fmt: skip


@case
def rejected_once(q):
    m.rejects.apply_async((q.mark, False), queue=q.next())
    again = m.rejects.apply_async((q.mark + "again", True), queue=q.next())
    yield
    lines(q.mark, 1)
    assert again.get(timeout=WAIT) is True
    assert len(lines(q.mark + "again", 2)) == 2


@case(needs="shared", alone=True)
def states_of_ones_own(q):
    ignored = q(t(m.ignores)).delay()
    running = q(t(m.progress, q.mark)).delay()
    yield
    until(lambda: ignored.state == "MINE", "MINE")
    assert ignored.info == {"left": 1}
    lines(q.mark, 1)
    until(lambda: running.state == "PROGRESS", "PROGRESS")
    assert running.info == {"done": 3}
    with m.ledger() as server:
        server.rpush(f"ledger:{q.mark}:go", 1)
    assert running.get(timeout=WAIT) == "done"


@case
def time_limits(q):
    soft, too_long, hard = (q(t(each)).delay() for each in (m.soft, m.too_long, m.hard))
    per_call = q(t(m.nap, 20)).apply_async(soft_time_limit=1)
    yield
    assert soft.get(timeout=WAIT) == "cleaned up"
    raised(too_long, SoftTimeLimitExceeded)
    raised(per_call, SoftTimeLimitExceeded)
    raised(hard, TimeLimitExceeded)


# -- canvases ------------------------------------------------------------------------------------

simple("chain of 3", lambda q: chain(q(t(m.add, n)) for n in (1, 2, 3)).delay(), 6)
simple("chain of 200", lambda q: chain(q(t(m.add, 1)) for _ in range(LONG)).delay(), LONG)
simple(
    "chain of 200 on a shared queue",
    lambda q: chain(m.add.s(1).set(queue="shared") for _ in range(LONG)).delay(),
    LONG,
)
simple(
    "links in pickle",
    lambda q: (
        q(t(m.add, 1)).set(serializer="pickle", link=q(t(m.noted, q.mark)))
        | group(q(t(m.add, 1)), q(t(m.add, 2)) | q(t(m.add, 2)))
    ).delay(),
    [2, 5],
    "shared",
)
simple("immutable steps", lambda q: chain(q(t(m.add, 9)), q(m.add.si(2, 2))).delay(), 4)
simple(
    "retries in a chain",
    lambda q: chain(q(t(m.add, 1)), q(t(m.again)), q(t(m.same)), q(t(m.same))).delay(),
    [[[[[1, 2]], {}]], {}],
)
simple("group", lambda q: group(q(t(m.add, n)) for n in range(7)).delay(), [*range(7)])
simple(
    "group after a task",
    lambda q: (q(t(m.add, 1)) | group(q(t(m.add, n)) for n in range(5))).delay(),
    [1, 2, 3, 4, 5],
    "shared",
)
simple(
    "map and starmap",
    lambda q: group(q(m.add.map([1, 2])), q(m.add.starmap([(1, 2)]))).delay(),
    [[1, 2], [3]],
)
simple(
    "chunks",
    lambda q: q(m.add.chunks([(n, n) for n in range(5)], 2).group()).delay(),
    [[0, 2], [4, 6], [8]],
)
simple(
    "chord",
    lambda q: chord([q(t(m.add, n)) for n in range(8)], q(t(m.total))).delay(),
    28,
    "counting",
)
simple("chord of one", lambda q: chord([q(t(m.add, 5))], q(t(m.total))).delay(), 5, "counting")
simple(
    "a chord of 200 on a shared queue",
    lambda q: chord(
        [m.add.s(n).set(queue="shared") for n in range(LONG)], m.total.s().set(queue="shared")
    ).delay(),
    sum(range(LONG)),
    "counting",
)
simple(
    "chord, then a chain",
    lambda q: (
        chord([q(t(m.add, n)) for n in range(3)], q(t(m.total))) | q(t(m.add, 1)) | q(t(m.add, 1))
    ).delay(),
    5,
    "counting",
)
simple(
    "task, group, task",
    lambda q: (q(t(m.add, 1)) | group(q(t(m.add, n)) for n in range(4)) | q(t(m.total))).delay(),
    10,
    "counting",
)
simple(
    "chains in a header",
    lambda q: chord([q(t(m.add, n)) | q(t(m.add, 1)) for n in range(3)], q(t(m.total))).delay(),
    6,
    "counting",
)
simple(
    "a chord in a header",
    lambda q: chord(
        [chord([q(t(m.add, n)) for n in range(3)], q(t(m.total))), q(t(m.add, 4))], q(t(m.total))
    ).delay(),
    7,
    "counting",
)
simple(
    "a group in a group in a header",
    lambda q: chord(
        group(q(t(m.add, 1)), group(q(t(m.add, 2)), q(t(m.add, 3)))), q(t(m.total))
    ).delay(),
    6,
    "counting",
)
simple(
    "a group as a body",
    lambda q: chord([q(t(m.add, 1))], group(q(t(m.total)), q(t(m.same)))).delay(),
    [1, [[[1]], {}]],
    "counting",
)
simple(
    "a chord as a body",
    lambda q: chord([q(t(m.add, 1))], chord([q(t(m.total)), q(t(m.total))], q(t(m.total)))).delay(),
    2,
    "counting",
)
simple(
    "two chords in a chain",
    lambda q: (
        group(q(t(m.add, n)) for n in range(3))
        | q(t(m.total))
        | group(q(t(m.add, n)) for n in range(3))
        | q(t(m.total))
    ).delay(),
    12,
    "counting",
)
simple(
    "retries in a header",
    lambda q: chord([q(t(m.again, n)) for n in range(4)], q(t(m.same))).delay(),
    [[[[n, 2] for n in range(4)]], {}],
    "counting",
)
simple("replace", lambda q: (q(t(m.becomes, q(t(m.add, 1, 2)))) | q(t(m.add, 5))).delay(), 8)
simple(
    "replaced by a chain",
    lambda q: (
        q(t(m.add, 1)) | q(m.becomes.si(q(t(m.add, 1)) | q(t(m.add, 1)))) | q(t(m.add, 5))
    ).delay(),
    7,
)
simple(
    "replaced by a group",
    lambda q: (
        q(t(m.becomes, group(q(t(m.add, 1, 1)), q(t(m.add, 2, 2))))) | q(t(m.total))
    ).delay(),
    6,
    "counting",
)
simple(
    "replaced in a header",
    lambda q: chord(
        [q(t(m.becomes, q(t(m.add, 1)) | q(t(m.add, 2)))), q(t(m.add, 4))], q(t(m.total))
    ).delay(),
    7,
    "counting",
)


@case(needs="counting")
def add_to_chord(q):
    result = chord([q(t(m.grows, 1, q.next())), q(t(m.add, 2))], q(t(m.total))).delay()
    yield
    assert result.get(timeout=WAIT) == 1004


@case(needs="counting")
def a_chord_that_fails(q):
    body = q(t(m.noted, q.mark)).on_error(q(t(m.told)))
    result = chord([q(t(m.add, 1)), q(t(m.fail, "ValueError", "no")), q(t(m.add, 1))], body).delay()
    yield
    assert "ValueError" in repr(raised(result, Exception))
    assert lines(result.id, 1) == [f"told|{result.id}"]
    with m.ledger() as server:
        assert server.llen(f"ledger:{q.mark}") == 0


@case
def a_chain_that_fails(q):
    heard = q.mark + "heard"
    result = chain(q(t(m.add, 1)), q(m.fail.si("ValueError", "no")), q(t(m.add, 1))).apply_async(
        link_error=[q(t(m.told)), q(t(m.heard, heard))]
    )
    yield
    failed = result.parent
    assert raised(failed, ValueError).args == ("no",)
    assert lines(failed.id, 1) == [f"told|{failed.id}"]
    assert lines(heard, 1) == [f"heard|{failed.id}|ValueError|no"]
    assert result.state == "FAILURE"


@case
def link(q):
    results = q(t(m.add, 1, 1)).apply_async(
        link=[q(t(m.noted, q.mark)), q(m.noted.si("still", q.mark))]
    )
    yield
    assert results.get(timeout=WAIT) == 2
    assert sorted(lines(q.mark, 2)) == ["2", "still"]


@case
def link_error(q):
    heard = q.mark + "heard"
    result = q(t(m.fail, "Sold", "tea", 1)).apply_async(
        link_error=[q(t(m.told)), q(t(m.heard, heard))]
    )
    yield
    raised(result, m.Sold)
    assert lines(result.id, 1) == [f"told|{result.id}"]
    assert lines(heard, 1) == [f"heard|{result.id}|Sold|tea|1"]


@case
def stamps(q):
    canvas = q(t(m.add, 1)) | q(t(m.stamps))
    canvas.stamp(customer="acme", append_stamps=True)
    result = canvas.delay()
    yield
    assert result.get(timeout=WAIT) == {"customer": "acme"}


@case(needs="counting")
def stamps_of_a_body(q):
    canvas = chord([q(t(m.stamps)), q(t(m.stamps))], q(t(m.same)))
    canvas.stamp(customer="acme")
    result = canvas.delay()
    yield
    stamped = {"customer": "acme"}
    assert result.get(timeout=WAIT) == [[[stamped, stamped]], {}]


@case
def parents_of_a_chain(q):
    result = chain(q(t(m.add, 1)), q(t(m.add, 1)), q(t(m.seen))).delay()
    yield
    seen = result.get(timeout=WAIT)
    first = result.parent.parent
    assert (seen["root_id"], seen["parent_id"]) == (first.id, result.parent.id), seen
    assert (first.get(timeout=WAIT), result.parent.get(timeout=WAIT)) == (1, 2)


@case
def results_as_tuples(q):
    result = chain(q(t(m.add, 1)), q(t(m.add, 1))).delay()
    yield
    assert result.get(timeout=WAIT) == 2
    again = result_from_tuple(result.as_tuple(), app=m.app)
    assert (again.id, again.parent.id) == (result.id, result.parent.id)


@case(needs="shared")
def groups_are_saved_and_restored(q):
    result = group(q(t(m.add, n)) for n in range(3)).delay()
    result.save()
    others = q(t(m.restores, result.id)).delay()
    yield
    assert result.get(timeout=WAIT) == [0, 1, 2]
    assert others.get(timeout=WAIT) == [each.id for each in result]
    assert GroupResult.restore(result.id, app=m.app).results == result.results


@case(needs="shared")
def results_are_read_by_the_other(q):
    first, failed = q(t(m.add, 1)).delay(), q(t(m.fail, "Sold", "tea", 2)).delay()
    yield
    first.get(timeout=WAIT)
    raised(failed, m.Sold)
    for each, wanted in (
        (first, ["SUCCESS", "1", "m.add"]),
        (failed, ["FAILURE", "Sold('tea', 2)", "m.fail"]),
    ):
        for queue in ("celery", "taskq"):
            *found, where = m.reads.apply_async((each.id,), queue=queue).get(timeout=WAIT)
            assert found == wanted, found
            assert where in ("celery", "taskq"), where


@case(needs="shared")
def what_extended_results_say(q):
    result = q(t(m.add, 1, y=2)).delay()
    yield
    assert result.get(timeout=WAIT) == 3
    assert (result.name, result.args, result.kwargs) == ("m.add", [1], {"y": 2})
    assert result.queue in ("celery", "taskq")
    assert result.worker == f"{result.queue}@here"
    assert result.retries == 0
    assert result.date_done is not None


@case(needs="shared")
def forgotten_results(q):
    result = q(t(m.add, 1, 1)).delay()
    yield
    assert result.get(timeout=WAIT) == 2
    result.forget()
    assert AsyncResult(result.id, app=m.app).state == "PENDING"


@case(needs="shared", alone=True)
def aborted(q):
    sent = q(t(m.abortable, q.mark)).delay()
    yield
    lines(q.mark, 1)
    AbortableAsyncResult(sent.id, app=m.app).abort()
    assert sent.get(timeout=WAIT) == "gave up"


# -- the first protocol --------------------------------------------------------------------------


old = Celery("old", broker=m.BROKER, backend=m.STORE, set_as_current=False)
old.conf.update(
    task_protocol=1,
    task_queues=m.app.conf.task_queues,
    task_default_queue="shared",
    task_queue_max_priority=m.app.conf.task_queue_max_priority,
    result_serializer=m.app.conf.result_serializer,
    result_accept_content=m.app.conf.result_accept_content,
)


def of_old(q, name, *args):
    return q(old.signature(name, args=args))


simple("protocol 1", lambda q: of_old(q, "m.add", 2, 3).delay(), 5)
simple(
    "protocol 1, kwargs",
    lambda q: of_old(q, "m.same", 2).clone(kwargs={"k": 1}).delay(),
    [[2], {"k": 1}],
)
simple("protocol 1, countdown", lambda q: of_old(q, "m.add", 2, 4).apply_async(countdown=1), 6)
simple("protocol 1, retries", lambda q: of_old(q, "m.again", "v").delay(), ["v", 2])
simple(
    "protocol 1, group",
    lambda q: group((of_old(q, "m.add", n) for n in range(3)), app=old).delay(),
    [0, 1, 2],
)
simple(
    "protocol 1, chord",
    lambda q: chord(
        [of_old(q, "m.add", n) for n in range(3)], of_old(q, "m.total"), app=old
    ).delay(),
    3,
    "counting",
)


@case
def protocol_1_with_a_link(q):
    result = of_old(q, "m.add", 1, 1).apply_async(link=q(t(m.noted, q.mark)))
    yield
    assert result.get(timeout=WAIT) == 2
    assert lines(q.mark, 1) == ["2"]


# -- control -------------------------------------------------------------------------------------


@case
def revoked_by_id(q):
    result = q(t(m.add, 1, 1)).apply_async(countdown=8)
    m.app.control.revoke(result.id)
    yield
    raised(result, TaskRevokedError)
    assert result.state == "REVOKED"


@case
def revoked_before_it_was_sent(q):
    task_id = f"revoked-{q.mark}"
    replies = m.app.control.revoke(task_id, reply=True, timeout=WAIT, limit=2)
    result = q(t(m.add, 1, 1)).apply_async(task_id=task_id)
    yield
    assert sorted(node for reply in replies for node in reply) == ["celery@here", "taskq@here"]
    raised(result, TaskRevokedError)


@case
def revoked_by_stamp(q):
    kept, gone = (q(t(m.add, 1, n)) for n in range(2))
    kept.stamp(order=q.mark + "kept")
    gone.stamp(order=q.mark)
    results = [kept.apply_async(countdown=8), gone.apply_async(countdown=8)]
    m.app.control.revoke_by_stamped_headers({"order": q.mark})
    yield
    raised(results[1], TaskRevokedError)
    assert results[0].get(timeout=WAIT) == 1


@case(alone=True)
def terminated(q):
    result = q(t(m.nap, 600, q.mark)).delay()
    yield
    lines(q.mark, 1)
    m.app.control.revoke(result.id, terminate=True)
    raised(result, TaskRevokedError)
