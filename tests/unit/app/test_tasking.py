"""How functions become tasks."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import sys
import threading
from types import ModuleType
from typing import Any

import greenlet
import pytest

from taskq import current
from taskq.app.registry import LazyTask, TaskRegistry
from taskq.app.task import Task
from taskq.app.tasking import shared_task
from taskq.errors import (
    DuplicateTaskNameWarning,
    InvalidTaskError,
    MaxRetriesExceededError,
    NotRegistered,
)
from tests.unit.app.fakes import LabApp


def test_a_task_is_made_when_it_is_touched(app: LabApp) -> None:
    """What the decorator returns is a promise until somebody needs the task."""
    made: list[Any] = []

    class Base(Task[..., Any]):
        abstract = True

        def __init__(self) -> None:
            made.append(self)

    def body(x: int) -> int:
        """Say something."""
        return x

    t: Any = app.task(name="t", base=Base)(body)

    assert made == []
    assert type(t) is LazyTask
    assert t.name == "t"
    assert len(made) == 1
    assert isinstance(t, Base)
    assert t.__doc__ == "Say something."
    assert t == app.tasks["t"]
    assert t(5) == 5


def test_a_task_may_be_made_at_once(app: LabApp) -> None:
    """With lazy=False, and after the app is finalized, the decorator returns the task."""
    first: Any = app.task(name="a", lazy=False)(lambda: None)
    app.finalize()
    second: Any = app.task(name="b")(lambda: None)

    # What stands for a task says that it is one: the type does not.
    assert issubclass(type(first), Task)
    assert issubclass(type(second), Task)


def test_names_are_made_of_module_and_function(app: LabApp) -> None:
    """A task without a name is called like its function, in its module."""

    @app.task
    def plain() -> None: ...

    assert plain.name == f"{__name__}.plain"
    assert app.gen_task_name("x", "__main__") == "lab.x"
    assert app.gen_task_name("x", "a.b") == "a.b.x"
    app.main = None
    main = sys.modules["__main__"]
    stem = getattr(main, "__file__", None)
    expected = stem.rpartition("/")[2].removesuffix(".py") if stem else "__main__"
    assert app.gen_task_name("x", "__main__") == f"{expected}.x"


def test_a_bound_task_gets_itself(app: LabApp) -> None:
    """With bind=True the first parameter is the task."""

    @app.task(bind=True, name="t")
    def t(self: Any, x: int) -> Any:
        return (self.name, x)

    assert t(1) == ("t", 1)


def test_two_functions_of_one_name(app: LabApp) -> None:
    """The first one stays, and the second one is warned of with both places."""
    first = app.task(name="same")(lambda: 1)
    second = app.task(name="same")(lambda: 2)
    assert first() == 1

    with pytest.warns(DuplicateTaskNameWarning, match="'same' already"):
        assert second() == 1


def test_wrong_decorations_are_refused(app: LabApp) -> None:
    """The decorator takes one function, or options."""
    with pytest.raises(TypeError, match="must be a callable"):
        app.task(5)  # type: ignore[call-overload]  # the mistake that is refused
    with pytest.raises(TypeError, match="exactly 1 argument"):
        app.task(len, len)  # type: ignore[call-overload]  # the mistake that is refused
    with pytest.raises(TypeError, match="function or options"):
        shared_task(5)  # type: ignore[call-overload]  # the mistake that is refused


def test_a_filter_may_wrap_the_task(app: LabApp) -> None:
    """What filter returns is what the decorator returns."""
    wrapped: Any = app.task(name="t", filter=lambda task: ("wrapped", task))(lambda: 1)

    assert wrapped[0] == "wrapped"


def test_options_without_a_value_come_from_the_settings(app: LabApp) -> None:
    """An option that a task does not say is that of the settings."""
    app.conf.update(task_acks_late=True, task_ignore_result=True, task_serializer="yaml")
    plain = app.task(name="a")(lambda: None)
    own = app.task(name="b", acks_late=False, serializer="json")(lambda: None)

    assert (plain.acks_late, plain.ignore_result, plain.serializer) == (True, True, "yaml")
    assert (own.acks_late, own.serializer) == (False, "json")


def test_annotations_change_tasks_from_outside(app: LabApp) -> None:
    """Task_annotations set attributes by name, by star, and wrap methods."""

    class Ask:
        def annotate(self, task: Any) -> dict[str, Any] | None:
            return {"max_retries": 9} if task.name == "a" else None

    app.conf.task_annotations = (
        {"*": {"rate_limit": "1/s"}, "a": {"time_limit": 7}},
        Ask(),
        {"b": {"@run": lambda run: lambda *args: ["around", run(*args)]}},
    )
    a = app.task(name="a")(lambda: 1)
    b: Any = app.task(name="b")(lambda: 1)

    assert (a.rate_limit, a.time_limit, a.max_retries) == ("1/s", 7, 9)
    assert (b.rate_limit, b.max_retries) == ("1/s", 3)
    assert b() == ["around", 1]


def test_apps_share_their_tasks_unless_they_say_no(app: LabApp) -> None:
    """A task of one app is on the others too; a name that an app has itself stays its own."""
    with LabApp("other", set_as_current=False) as other:
        app.task(name="everywhere")(lambda: "everywhere")
        app.task(name="here", shared=False)(lambda: "here")
        app.task(name="both")(lambda: "app")
        both = other.task(name="both")(lambda: "other")

        assert other.tasks["everywhere"]() == "everywhere"
        assert other.tasks["everywhere"].app is other
        assert app.tasks["everywhere"].app is app
        assert "here" not in other.tasks
        assert both() == "other"


def test_what_a_closed_app_shared_is_forgotten(app: LabApp) -> None:
    """An app that is closed no longer gives its tasks to others."""
    with LabApp("other", set_as_current=False) as other:
        other.task(name="gone")(lambda: None)

    assert "gone" not in app.tasks


def test_a_shared_task_needs_no_app(app: LabApp, monkeypatch: Any) -> None:
    """Shared_task is a task of every app, those that exist and those to come."""
    monkeypatch.setattr(current, "_on_finalize", [])
    app.finalize()

    @shared_task
    def free(x: int) -> int:
        return x + 1

    @shared_task(name="named", bind=True)
    def bound(self: Any) -> Any:
        return self.name

    assert free.name == f"{__name__}.free"
    assert free(1) == 2
    assert app.tasks["named"]() == "named"
    with LabApp("later", set_as_current=False) as later:
        assert later.tasks["named"].app is later


def test_a_class_may_be_registered(app: LabApp) -> None:
    """A task class is registered by its class or by an instance, under the name of the class."""

    class Adder(Task[..., Any]):
        def run(self, x: int, y: int) -> int:
            return x + y

    class Named(Task[..., Any]):
        name = "named"
        autoretry_for = (KeyError,)

        def run(self) -> None:
            raise KeyError

    adder = app.register_task(Adder)
    app.register_task(Named())

    assert adder.name == f"{__name__}.Adder"
    assert app.tasks[adder.name](1, 2) == 3
    assert isinstance(app.tasks["named"], Named)
    with pytest.raises(NotImplementedError, match="has no run"):
        app.register_task(type("Empty", (Task,), {"name": "empty"}))()


def test_the_registry_knows_what_is_in_it(app: LabApp) -> None:
    """A name that is missing says so, and what has no name is refused."""
    app.task(name="t")(lambda: None)
    tasks = app.tasks
    assert "t" in dict(tasks.regular())
    assert list(tasks.periodic()) == []
    tasks.unregister("t")
    with pytest.raises(NotRegistered, match="'t' is not registered"):
        tasks["t"]
    with pytest.raises(NotRegistered):
        tasks.unregister("t")
    with pytest.raises(InvalidTaskError):
        tasks.register(Task())


def test_an_app_may_ask_to_be_finalized_by_hand() -> None:
    """Without autofinalize the registry is not looked at before finalize() is called."""
    with LabApp("x", autofinalize=False, set_as_current=False) as app:
        task = app.task(name="t")(lambda: 1)
        with pytest.raises(RuntimeError, match="autofinalize is off"):
            _ = app.tasks
        with pytest.raises(RuntimeError, match="autofinalize is off"):
            task()
        told: list[Any] = []
        app.on_after_finalize.connect(lambda sender, **_: told.append(sender), weak=False)
        app.finalize()
        assert task() == 1
        assert told == [app]


def test_a_task_travels_as_its_name(app: LabApp) -> None:
    """A pickled task is the task of that name on the other side."""
    task = app.task(name="t")(lambda: 1)

    assert pickle.loads(pickle.dumps(app.tasks["t"])) is app.tasks["t"]
    assert pickle.loads(pickle.dumps(task)) is app.tasks["t"]


def test_requests_are_those_of_their_context(app: LabApp) -> None:
    """Threads, greenlets and asyncio tasks see each their own request."""
    task = app.task(name="t")(lambda: None)
    task.push_request(id="main")

    def in_a_thread() -> None:
        seen.append(task.request.id)
        task.push_request(id="thread")
        seen.append(task.request.id)

    seen: list[Any] = []
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()

    def in_a_greenlet(name: str) -> None:
        task.push_request(id=name)
        main.switch()
        seen.append(task.request.id)

    main = greenlet.getcurrent()
    lets = [greenlet.greenlet(in_a_greenlet) for _ in range(2)]
    for name, each in zip("ab", lets, strict=True):
        each.switch(name)
    for each in lets:
        each.switch()

    async def in_a_task(name: str) -> None:
        task.push_request(id=name)
        await asyncio.sleep(0)
        seen.append(task.request.id)

    async def both() -> None:
        await asyncio.gather(in_a_task("x"), in_a_task("y"))

    contextvars.copy_context().run(asyncio.run, both())

    assert seen == [None, "thread", "a", "b", "x", "y"]
    assert task.request.id == "main"
    assert task.pop_request().id == "main"
    assert task.pop_request() is None


def test_the_stack_of_requests(app: LabApp) -> None:
    """Request_stack is the requests of one task, the last one on top."""
    one = app.task(name="one")(lambda: None)
    two = app.task(name="two")(lambda: None)
    stack = one.request_stack
    assert (len(stack), stack.top, stack.pop()) == (0, None, None)

    stack.push("a")
    two.push_request(id="other")
    stack.push("b")

    assert (stack.stack, stack.top, len(stack)) == (["a", "b"], "b", 2)
    assert stack.pop() == "b"
    assert stack.pop() == "a"
    assert two.pop_request().id == "other"
    assert current.frames.get() is None


def test_the_current_task_can_be_pushed(app: LabApp) -> None:
    """Who runs a task by other means may say so."""
    task = app.task(name="t")(lambda: None)
    assert current.get_current_task() is None
    assert not current.current_task
    current.push_current_task(task)

    assert current.get_current_task() is task
    assert current.get_current_worker_task() is None
    assert current.pop_current_task() is task
    assert current.pop_current_task() is None


@pytest.mark.parametrize("is_async", [False, True])
def test_autoretry_retries_what_it_is_told(app: LabApp, is_async: bool) -> None:
    """Autoretry_for retries some exceptions and leaves others alone."""
    seen: list[int] = []

    def body(self: Any, error: str) -> None:
        seen.append(self.request.retries)
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[error]("x")

    async def async_body(self: Any, error: str) -> None:
        body(self, error)

    task = app.task(
        name="t",
        bind=True,
        autoretry_for=(LookupError,),
        dont_autoretry_for=(IndexError,),
        retry_kwargs={"max_retries": 2},
        retry_backoff=True,
    )(async_body if is_async else body)

    for error, tries in (("key", 3), ("index", 1), ("value", 1)):
        seen.clear()
        assert task.apply((error,)).state == "FAILURE"
        assert len(seen) == tries


def make_strategy(task: Any, app: Any, consumer: Any, **kwargs: Any) -> Any:
    return (task.name, app.main, consumer, kwargs)


def test_a_strategy_is_looked_up_by_its_path(app: LabApp) -> None:
    """Start_strategy calls what the attribute Strategy names."""
    task = app.task(name="t", Strategy=f"{__name__}:make_strategy")(lambda: None)

    assert task.start_strategy(app, "consumer", extra=1) == ("t", "lab", "consumer", {"extra": 1})


def test_backoff_doubles_up_to_its_maximum(app: LabApp) -> None:
    """The pauses of retry_backoff double, with jitter between nothing and the whole."""
    from taskq.app.autoretry import backoff_s

    assert [backoff_s(2, n, 100, None) for n in range(7)] == [2, 4, 8, 16, 32, 64, 100]
    assert backoff_s(1, 10**6, 600, None) == 600
    assert backoff_s(1, 3, 600, lambda low, high: low) == 0
    assert backoff_s(1, 3, 600, lambda low, high: high) == 8


def test_max_retries_of_none_is_for_ever(app: LabApp) -> None:
    """A task with max_retries=None is retried as often as it asks."""

    @app.task(name="t", bind=True, max_retries=None)
    def t(self: Any) -> int:
        if self.request.retries < 50:
            raise self.retry()
        return int(self.request.retries)

    assert t.apply().get() == 50
    assert Task.MaxRetriesExceededError is MaxRetriesExceededError


def test_events_of_a_task_are_published_where_they_are_on(app: LabApp) -> None:
    """Send_event is silent until events are on."""
    task = app.task(name="t")(lambda: None)
    task.push_request(id="x", hostname="w@h")
    task.send_event("task-progress", done=1)
    assert app.lab_broker.sent == []
    app.conf.worker_send_task_events = True

    task.send_event("task-progress", retry=False, done=1)

    (sent,) = app.lab_broker.sent
    assert (sent.exchange, sent.routing_key) == ("celeryev", "task.progress")
    assert sent.options.retry is None
    assert sent.message.headers == {"hostname": "w@h"}
    task.pop_request()


class TestPydantic:
    """Tasks whose arguments are models."""

    @pytest.fixture
    def pydantic(self) -> ModuleType:
        found: ModuleType = pytest.importorskip("pydantic")
        return found

    def test_models_are_made_and_dumped(self, app: LabApp, pydantic: ModuleType) -> None:
        """Arguments become models, and a model that is returned becomes a mapping."""
        Point = pydantic.create_model("Point", x=(int, ...), y=(int, 0))

        def move(point: Any, by: int = 1, maybe: Any = None) -> Any:
            assert isinstance(point, Point)
            assert maybe is None or isinstance(maybe, Point)
            return Point(x=point.x + by, y=point.y)

        move.__annotations__ = {"point": Point, "by": int, "maybe": Point | None, "return": Point}
        task = app.task(name="move", pydantic=True)(move)

        assert task.apply(({"x": 1},), {"by": 2}).get() == {"x": 3, "y": 0}
        assert task({"x": "1"}, maybe={"x": 5}) == {"x": 2, "y": 0}
        assert task.apply(({"x": "one"},)).state == "FAILURE"

    def test_strict_models(self, app: LabApp, pydantic: ModuleType) -> None:
        """With pydantic_strict nothing is converted."""
        Point = pydantic.create_model("Point", x=(int, ...))

        async def look(self: Any, point: Any) -> int:
            return int(point.x)

        look.__annotations__ = {"point": Point}
        task = app.task(name="look", bind=True, pydantic=True, pydantic_strict=True)(look)

        assert task.apply(({"x": 1},)).get() == 1
        assert task.apply(({"x": "1"},)).state == "FAILURE"


def test_a_missing_pydantic_is_named(app: LabApp, monkeypatch: Any) -> None:
    """A task that asks for pydantic says how to install it."""
    monkeypatch.setitem(sys.modules, "pydantic", None)
    task = app.task(name="t", pydantic=True)(lambda x: x)

    with pytest.raises(Exception, match=r"task 't' has pydantic=True.*pip install pydantic"):
        task(1)


# -- what a task can do --------------------------------------------------------------------------


def test_a_coroutine_that_is_called_directly_is_awaited(app: LabApp) -> None:
    """It has a request of its own while it runs."""

    @app.task(bind=True, name="t")
    async def t(self: Any, x: int) -> Any:
        await asyncio.sleep(0)
        return x, self.request.called_directly

    assert asyncio.run(t(5)) == (5, True)


def test_the_running_call_can_be_made_again(app: LabApp) -> None:
    """The way it came, or to another queue; outside of a call there is none."""

    @app.task(bind=True, name="t")
    def t(self: Any) -> None: ...

    t.push_request(
        id="x", args=[1], kwargs={}, called_directly=False, delivery_info={"exchange": "media",
        "routing_key": "m.a", "priority": 4},
    )  # fmt: skip
    same = t.signature_from_request().options
    other = t.subtask_from_request(queue="slow").options
    t.pop_request()
    t.push_request(id="x", args=[], kwargs={}, delivery_info={"routing_key": "q"})
    plain = t.signature_from_request().options
    t.pop_request()

    assert (same["exchange"], same["routing_key"], same["priority"]) == ("media", "m.a", 4)
    assert (other["queue"], plain["queue"]) == ("slow", "q")


def test_a_direct_call_that_retries_gets_the_error(app: LabApp) -> None:
    """Nobody would send it again."""

    @app.task(bind=True, name="t")
    def t(self: Any, given: bool) -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            self.retry(exc=ValueError("second") if given else error)

    with pytest.raises(KeyError, match="first"):
        t(False)
    with pytest.raises(ValueError, match="second") as caught:
        t(True)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_retry_may_be_sent_without_being_raised(app: LabApp) -> None:
    """``throw=False`` sends it, and the body goes on."""

    @app.task(bind=True, name="t")
    def t(self: Any) -> None: ...

    t.push_request(id="x", args=[], kwargs={}, called_directly=False, delivery_info={})
    said = t.retry(throw=False, countdown=5)
    t.pop_request()

    (sent,) = app.lab_broker.take()
    assert (sent.message.headers["id"], sent.message.headers["retries"]) == ("x", 1)
    assert said.humanize() == "in 5s"


def test_a_state_of_ones_own_needs_a_task(app: LabApp) -> None:
    """That of the running call, or one that is named; eager calls keep theirs to themselves."""

    @app.task(bind=True, name="t")
    def t(self: Any) -> None:
        self.update_state(state="HALFWAY")

    t.apply()
    assert app.lab_store.records == {}
    with pytest.raises(RuntimeError, match="needs a task_id"):
        t()
    t.update_state(task_id="x", state="HALFWAY", meta={"done": 5})
    assert t.AsyncResult("x").state == "HALFWAY"


def test_a_task_may_keep_its_results_elsewhere(app: LabApp) -> None:
    """A backend of its own is that of its handles too."""
    t = app.task(name="t")(lambda: None)
    assert t.backend is app.backend
    t.backend = other = type(app.backend)(app)

    assert t.backend is other
    assert t.AsyncResult("x").backend is other
    assert t.start_strategy is not None
    assert t.overrides("run")
    assert not t.overrides("retry")


def test_a_task_class_without_an_app_says_so(app: LabApp) -> None:
    """In what it shows of itself."""

    class Loose(Task[..., Any]):
        name = "loose"

    assert repr(Loose()) == "<unbound @task: loose>"
    with pytest.raises(NotImplementedError, match=r"'loose' has no run\(\)"):
        Loose().run()


def test_a_task_without_a_name_cannot_be_registered(app: LabApp) -> None:
    """Nobody could call it."""

    class Nameless(Task[..., Any]):
        pass

    with pytest.raises(InvalidTaskError, match="has no name"):
        app.tasks.register(Nameless())


def test_an_app_may_be_given_a_registry_and_a_base_class() -> None:
    """They are used as they are."""
    registry = TaskRegistry()

    class Base(Task[..., Any]):
        abstract = True

    app = LabApp("given", set_as_current=False, tasks=registry)
    app.Task = Base
    made = app.task(name="t")(lambda: None)

    assert app.tasks is registry
    assert isinstance(made, Base)
    app.close()


def test_two_builtin_functions_are_never_taken_for_one(app: LabApp) -> None:
    """They have no code by which they could be."""
    first: Any = app.task(name="t")(len)
    second: Any = app.task(name="t")(abs)
    assert first([1]) == 1

    with pytest.warns(DuplicateTaskNameWarning):
        assert second([1, 2]) == 2
