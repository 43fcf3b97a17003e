"""Helpers of celery.utils: examples of what they are documented to do.

Each line was tried on the real Celery as well; those in which it differs are said to.
"""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.app.colors import colored
from taskq.compat import proxies
from taskq.compat.utils import (
    abstract,
    collections,
    debug,
    deprecated,
    functional,
    graph,
    imports,
    log,
    nodenames,
    objects,
    saferepr,
    serialization,
    sysinfo,
    text,
    threads,
    time,
    timer2,
)

MOMENT = datetime.fromisoformat("2024-01-31T13:14:15.000016")
OSLO = ZoneInfo("Europe/Oslo")


class Unpicklable(Exception):
    """Refuses to be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("no")


EXAMPLES: list[tuple[Callable[[], Any], Any]] = [
    (lambda: text.abbr("hello world this", 8), "hello..."),
    (lambda: text.abbr("hello world", 5, ""), "hello"),
    (lambda: text.abbrtask("feeds.tasks.update", 15), "feeds.[.]update"),
    (lambda: text.truncate("hello world", 8), "hello..."),
    (lambda: text.truncate("hi", 8), "hi"),
    (lambda: text.dedent("    a\n      b\n    c"), "a\n  b\nc"),
    (lambda: text.ensure_newlines("a\n", 2), "a\n\n"),
    (lambda: text.ensure_sep(",", "a", 2), "a,,"),
    (lambda: text.fill_paragraphs("aaa bbb ccc\nddd eee", 7), "aaa bbb\nccc\nddd eee"),
    (lambda: text.indent("a\nb", 2), "  a\n  b"),
    (lambda: text.join(["a", "", None, "b"]), "a\nb"),
    (lambda: [text.pluralize(n, "task") for n in (0, 1, 2)], ["tasks", "task", "tasks"]),
    (lambda: text.pretty({"a": 1, "b": [1, 2]}), "\n 'a': 1, 'b': [1, 2]}"),
    (lambda: text.str_to_list("a,b"), ["a", "b"]),
    (lambda: text.simple_format("%n at 100%%", {"n": lambda: "w"}), "w at 100%"),
    (lambda: nodenames.default_nodename("h"), "celery@h"),
    (lambda: nodenames.default_nodename("a@h"), "a@h"),
    (lambda: nodenames.nodesplit("a"), (None, "a")),
    (lambda: nodenames.node_format("%n-%h-%d-%i-%I", "foo@bar.baz"), "foo-bar.baz-baz-0-"),
    (lambda: nodenames.host_format("%n", host="a.b.c", name="x"), "x"),
    (lambda: saferepr.saferepr(list(range(4)), maxlevels=1), "[0, 1, 2, 3]"),
    (lambda: list(functional.chunks(iter(range(7)), 3)), [[0, 1, 2], [3, 4, 5], [6]]),
    (lambda: list(functional.lookahead([1, 2, 3])), [(1, 2), (2, 3), (3, None)]),
    (lambda: functional.padlist(["a"], 3), ["a", None, None]),
    (lambda: functional.padlist(["a", "b"], 1, 0), ["a"]),
    (lambda: functional.first(lambda x: x > 1, [1, 2, 3]), 2),
    (lambda: functional.first(None, [None, 2]), 2),
    (lambda: functional.fun_takes_argument("x", lambda x, y: 1), True),
    (lambda: functional.fun_takes_argument("z", lambda x, y: 1), False),
    (lambda: functional.fun_takes_argument("z", lambda x, y: 1, position=2), True),
    (lambda: functional.arity_greater(lambda a, b: 1, 1), True),
    (lambda: functional.arity_greater(lambda a, b: 1, 2), False),
    (lambda: functional.seq_concat_item((1,), 2), (1, 2)),
    (lambda: functional.seq_concat_seq([1], (2,)), [1, 2]),
    (lambda: list(functional.uniq([1, 2, 1])), [1, 2]),
    (lambda: functional.mattrgetter("a", "b")(objects.Bunch(a=1)), {"a": 1, "b": None}),
    (lambda: functional.maybe(int, "3"), 3),
    (lambda: functional.maybe(int, None), None),
    (lambda: functional.is_numeric_value(True), False),
    (lambda: list(functional.evaluate_promises([1, functional.mlazy(lambda: 2)])), [1, 2]),
    (lambda: functional.firstmethod("lower")([3, "AB"]), "ab"),
    (lambda: time.humanize_seconds(3661), "1.02 hours"),
    (lambda: time.humanize_seconds(1), "1.00 second"),
    (lambda: time.humanize_seconds(0), "now"),
    (lambda: time.humanize_seconds(90061, prefix="in "), "in 1.04 days"),
    (lambda: time.rate("10/m"), 10 / 60),
    (lambda: time.rate("7"), 7.0),
    (lambda: time.rate(None), 0),
    (lambda: time.weekday("Sunday"), 0),
    (lambda: time.yearmonth("December"), 12),
    (lambda: time.maybe_timedelta(3), timedelta(seconds=3)),
    (
        lambda: time.delta_resolution(MOMENT, timedelta(hours=2)),
        MOMENT.replace(minute=0, second=0, microsecond=0),
    ),
    (lambda: time.delta_resolution(MOMENT, timedelta(seconds=2)), MOMENT),
    (
        lambda: time.remaining(MOMENT, timedelta(minutes=5), now=MOMENT + timedelta(minutes=2)),
        timedelta(minutes=3),
    ),
    (lambda: MOMENT + time.ffwd(month=2, day=31), MOMENT.replace(month=2, day=29)),
    (
        lambda: MOMENT + time.ffwd(weeks=1, weekday=0, hour=0),
        MOMENT.replace(month=2, day=12, hour=0),
    ),
    (lambda: time.maybe_make_aware(MOMENT), MOMENT.replace(tzinfo=UTC)),
    (lambda: time.maybe_make_aware(MOMENT, OSLO).hour, 14),
    (lambda: time.maybe_make_aware(MOMENT, OSLO, naive_as_utc=False).hour, 13),
    (lambda: time.timezone.to_local(MOMENT, "Europe/Oslo").hour, 14),
    (lambda: time.get_exponential_backoff_interval(2, 3, 100), 16),
    (lambda: time.get_exponential_backoff_interval(2, 10, 100), 100),
    (lambda: time.adjust_timestamp(100, 2, here=lambda: 1), -3500),
    (lambda: time.maybe_iso8601("2024-01-02T03:04:05Z"), datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (lambda: serialization.strtobool("off"), False),
    (lambda: serialization.strtobool(3), 3),
    (lambda: serialization.b64decode(serialization.b64encode(b"ab")), b"ab"),
    (
        lambda: serialization.jsonify({"a": MOMENT, "d": (1,)}),
        {"a": "2024-01-31T13:14:15.000", "d": [1]},
    ),
    (lambda: serialization.jsonify(MOMENT.replace(tzinfo=UTC)), "2024-01-31T13:14:15.000Z"),
    (lambda: serialization.jsonify({"a": {1}}, unknown_type_filter=str), {"a": "{1}"}),
    (lambda: serialization.ensure_serializable([1, int], json.dumps), (1, "<class 'int'>")),
    (lambda: list(serialization.itermro(KeyError, {Exception})), [KeyError, LookupError]),
    (lambda: list(debug.sample(list(range(100)), 5, 3)), [3, 23, 43, 63, 83]),
    (lambda: [debug.humanbytes(n) for n in (0, 1000, 123456789)], ["0b", "1000b", "117.74MB"]),
    (lambda: sysinfo.is_auto_concurrency("AUTO"), True),
    (lambda: sysinfo.is_auto_concurrency(3), False),
    (
        lambda: imports.qualname(collections.ChainMap.get),
        "taskq.compat.utils.collections.ChainMap.get",
    ),
    (lambda: imports.symbol_by_name("no.such:Thing", default=3), 3),
    (lambda: str(colored(enabled=True).red("a")), "\x1b[1;31ma\x1b[0m"),
    (lambda: str(colored(enabled=False).red("a")), "a"),
    (lambda: proxies.get_origins({"a": ["x", "y"]}), {"x": "a", "y": "a"}),
    (lambda: proxies.try_import("no_such_module", 3), 3),
]


@pytest.mark.parametrize(("example", "expected"), EXAMPLES)
def test_examples(example: Callable[[], Any], expected: Any) -> None:
    """Each helper does what it is documented to do."""
    assert example() == expected


def test_a_chain_of_mappings() -> None:
    """The first wins, and only the first is changed; defaults come right below it."""
    chain = collections.ChainMap({"a": 1}, {"b": 2, "a": 3})

    assert (dict(chain), len(chain), chain["b"]) == ({"b": 2, "a": 1}, 2, 2)
    chain["z"] = 1
    chain.add_defaults({"c": 4})
    assert chain.maps == [{"a": 1, "z": 1}, {"c": 4}, {"b": 2, "a": 3}]
    assert chain.pop("z") == 1
    with pytest.raises(KeyError):
        chain.pop("b")


def test_a_view_of_settings_goes_by_several_names() -> None:
    """With a prefix, and under the names that functions make of a key."""
    view = collections.ConfigurationView({"X": 9}, [{"foo_x": 2}], keys=[str.upper], prefix="foo_")

    assert (view["x"], view.x, view.first("q", "x"), view.get("q")) == (9, 9, 9, None)
    with pytest.raises(AttributeError):
        _ = view.nothing


def test_a_limited_set_forgets_the_oldest() -> None:
    """By number, and by age when it is purged; times say what is oldest."""
    few = collections.LimitedSet(maxlen=3)
    for number in range(5):
        few.add(number, now=number)
    aging = collections.LimitedSet(maxlen=9, expires=10)
    aging.add("a", now=1)
    aging.add("b", now=15)
    aging.purge(now=16)

    assert list(few) == [2, 3, 4]
    assert few.pop() == 2
    assert list(aging) == ["b"]
    with pytest.raises(ValueError, match="minlen"):
        collections.LimitedSet(maxlen=3, minlen=5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99))), st.integers(1, 5))
def test_a_limited_set_keeps_the_newest(added: list[tuple[int, int]], most: int) -> None:
    """However items come, and come again, no more stay than may, and no older before a newer."""
    limited = collections.LimitedSet(maxlen=most)
    for item, at in sorted(added, key=lambda each: each[1]):
        limited.add(item, now=at)
    newest = dict(sorted(added, key=lambda each: each[1]))

    kept = limited.as_dict()
    assert len(kept) == min(most, len(newest))
    assert all(newest[item] == at for item, at in kept.items())
    left = [at for item, at in newest.items() if item not in kept]
    assert max(left, default=-1) <= min(kept.values(), default=0) or not kept


def test_buffers_keep_the_newest() -> None:
    """Of one buffer, and of a map of them together."""
    buffer = collections.Messagebuffer(2)
    for number in (1, 2, 3):
        buffer.put(number)
    buffers = collections.BufferMap(3, bufmaxsize=2)
    buffers.put("a", 1)
    buffers.put("b", 2)
    buffers.extend("a", [3, 4])

    assert [buffer.take(), buffer.take(), buffer.take("none")] == [2, 3, "none"]
    assert (buffers.total, buffers.take("a"), buffers.take("zz", 1)) == (3, 3, 1)
    with pytest.raises(buffers.Empty):
        buffers.take("zz")


def test_a_list_out_of_an_iterator() -> None:
    """It takes what is asked for, and can be gone through again."""
    taken = []

    def numbers() -> Any:
        for number in range(3):
            taken.append(number)
            yield number

    made = functional.regen(numbers())
    assert made[0] == 0
    assert taken == [0]
    assert [list(made), list(made), len(made), made[-1]] == [[0, 1, 2], [0, 1, 2], 3, 2]
    assert isinstance(made, list)
    assert functional.regen([1]) == [1]


def test_a_graph_is_sorted_and_drawn() -> None:
    """Dependencies come first; the drawing has each node and edge once; circles are told."""
    made = graph.DependencyGraph([("a", ["b"]), ("b", ["c"]), ("c", [])])
    out = io.StringIO()
    made.to_dot(out)

    assert made.topsort() == ["c", "b", "a"]
    assert made.valency_of("a") == 2
    assert repr(graph.DependencyGraph([("a", [])])) == "a(0)"
    assert out.getvalue().count("->") == 2
    assert out.getvalue().startswith("digraph dependencies {")
    with pytest.raises(graph.CycleError, match="a -> b"):
        graph.DependencyGraph([("a", ["b"]), ("b", ["a"])]).topsort()


def test_what_cannot_be_pickled_is_wrapped() -> None:
    """The wrapper says the class, the arguments and the text, and gives back its like."""
    wrapped = serialization.get_pickleable_exception(Unpicklable(1))
    again = serialization.get_pickled_exception(wrapped)

    assert isinstance(wrapped, serialization.UnpickleableExceptionWrapper)
    assert (wrapped.exc_cls_name, wrapped.exc_args, str(wrapped)) == (
        "Unpicklable",
        (1,),
        "Unpicklable(1)",
    )
    assert (type(again).__name__, again.args) == ("Unpicklable", (1,))
    error = KeyError(1)
    assert serialization.get_pickleable_exception(error) is error


def test_stacks_belong_to_threads() -> None:
    """What one thread pushes, another does not see."""
    stack, seen = threads.LocalStack(), []
    stack.push(1)
    other = threading.Thread(target=lambda: seen.append((stack.top, len(stack))))
    other.start()
    other.join(30)

    assert (stack.top, stack.stack, seen) == (1, [1], [(None, 0)])
    assert [stack.pop(), stack.pop()] == [1, None]
    with pytest.raises(RuntimeError, match="unbound"):
        repr(stack())


def test_a_timer_calls_and_is_stopped() -> None:
    """What is due is called from its thread; what is cancelled is not."""
    called = threading.Event()
    never = []
    timer = timer2.Timer()
    timer.cancel(timer.call_after(0.01, never.append, (1,)))
    timer.call_after(0.02, called.set)

    assert called.wait(30)
    timer.stop()
    assert never == []
    assert not timer.is_alive()


def test_a_background_thread_is_stopped() -> None:
    """The body is called again and again until then."""
    turns = threading.Semaphore(0)

    class Worker(threads.bgThread):
        def body(self) -> None:
            turns.release()

    worker = Worker()
    worker.start()
    assert all(turns.acquire(timeout=30) for _ in range(3))
    worker.stop()
    assert not worker.is_alive()


def test_what_goes_away_is_said() -> None:
    """With the version, and what to use instead."""

    @deprecated.Callable(deprecation="1.0", removal="2.0", alternative="other")
    def fun() -> int:
        return 3

    with pytest.warns(PendingDeprecationWarning, match=r"version 1\.0 .* v2\.0.*Use other"):
        assert fun() == 3


def test_promises_are_kept_once() -> None:
    """A promise is worked out when it is used, tells who waits, and is the object then."""
    made: list[int] = []
    heard: list[str] = []

    def make() -> list[int]:
        made.append(1)
        return [1]

    promise = proxies.PromiseProxy(make)
    promise.__then__(heard.append, "now")

    assert not promise.__evaluated__()
    more = promise + [2]  # noqa: RUF005 - the operator is what is tried
    assert (more, len(promise), heard, made) == ([1, 2], 1, ["now"], [1])
    assert proxies.maybe_evaluate(promise) is promise._get_current_object()
    assert proxies.maybe_evaluate(3) == 3
    assert isinstance(proxies.Proxy(dict), dict)


def test_tasks_and_signatures_are_known_by_their_methods() -> None:
    """Ours are; so is a class of anybody's that has them; a plain object is not."""
    from taskq import Signature, Task

    assert issubclass(Task, abstract.CallableTask)
    assert issubclass(Signature, abstract.CallableSignature)
    assert not isinstance(object(), abstract.CallableTask)


def test_loggers_are_found_below_others() -> None:
    """Also far below; and a circle is told."""
    parent, child = logging.getLogger("tt"), logging.getLogger("tt.a.b")

    assert log.logger_isa(child, parent)
    assert not log.logger_isa(parent, child)
    assert log.LOG_LEVELS["INFO"] == logging.INFO
    assert log.LOG_LEVELS[logging.INFO] == "INFO"


def test_who_defines_an_attribute() -> None:
    """The nearest class that does so itself, before those where one stops."""

    class Base:
        x = 1

    class Derived(Base):
        pass

    assert objects.mro_lookup(Derived, "x") is Base
    assert objects.mro_lookup(Derived, "x", stop={Base}) is None


def test_the_quota_of_a_container(tmp_path: Any) -> None:
    """Both versions of cgroups, without a limit too."""
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    v1 = tmp_path / "v1" / "cpu"
    v1.mkdir(parents=True)
    (v1 / "cpu.cfs_quota_us").write_text("-1\n")
    (v1 / "cpu.cfs_period_us").write_text("100000\n")

    assert sysinfo.cgroup_cpu_quota(str(tmp_path)) == 1.5
    assert sysinfo.cgroup_cpu_quota(str(tmp_path / "v1")) is None
    assert sysinfo.cgroup_cpu_quota(str(tmp_path / "nothing")) is None


def test_zones_keep_the_moment() -> None:
    """Between two zones the moment stays, across a change of clocks too."""
    before = datetime(2024, 3, 31, 0, 30, tzinfo=OSLO)

    assert time.add_seconds_to_datetime(before, 7200).hour == 3  # the hour from 2 to 3 is skipped
    assert time.subtract_datetimes(datetime(2024, 3, 31, 4, tzinfo=OSLO), before) == timedelta(
        hours=2.5
    )
    fixed = timezone(timedelta(hours=2))
    assert time.localize(MOMENT.replace(tzinfo=UTC), fixed).hour == 15
