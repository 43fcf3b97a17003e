"""The application itself."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC
from typing import Any

import pytest

from taskq import current, signals
from taskq.app.app import App
from taskq.app.result import AsyncResult
from taskq.errors import ImproperlyConfigured
from taskq.ports import Ports
from tests.unit.app.fakes import LabApp


def test_making_an_app_does_nothing(app: LabApp) -> None:
    """An app makes its ports, reads its settings and makes its tasks when they are needed."""
    made: list[str] = []

    class Lazy(LabApp):
        def make_ports(self) -> Ports:
            made.append("ports")
            return super().make_ports()

    lazy = Lazy("x", set_as_current=False, config_source=lambda: made.append("conf"))
    lazy.task(name="t")(lambda: None)

    assert made == []
    assert not lazy.configured
    assert not lazy.finalized
    lazy.close()


def test_an_app_without_ports_cannot_be_made() -> None:
    """Ports are what a subclass gives."""
    with pytest.raises(TypeError, match="make_ports"):
        App("x")  # type: ignore[abstract]  # the mistake that is refused


def test_the_constructor_gives_settings(app: LabApp) -> None:
    """Broker, backend, include and further settings may be given to the constructor."""
    with LabApp(
        "x",
        broker="redis://b",
        backend="redis://r",
        include=["a"],
        changes={"task_acks_late": True},
        task_serializer="pickle",
        set_as_current=False,
    ) as made:
        assert made.conf.broker_url == "redis://b"
        assert made.conf.result_backend == "redis://r"
        assert list(made.conf.include) == ["a"]
        assert made.conf.task_acks_late is True
        assert made.conf.task_serializer == "pickle"
        assert made.either("task_serializer", None, "yaml") == "yaml"
        assert made.either("task_serializer", None) == "pickle"


def test_settings_come_from_objects_and_defaults(app: LabApp, monkeypatch: Any) -> None:
    """A source, a command line and defaults all end in one configuration."""
    app.add_defaults({"task_acks_late": True, "task_serializer": "yaml"})
    app.config_from_object({"XYZ_TASK_SERIALIZER": "pickle"}, namespace="XYZ")
    app.config_from_cmdline(["worker.concurrency=4"])

    assert app.conf.task_acks_late is True
    assert app.conf.task_serializer == "pickle"
    assert app.conf.worker_concurrency == 4
    with pytest.raises(ImproperlyConfigured):
        app.config_from_envvar("NO_SUCH_VARIABLE")


def test_who_waits_for_the_settings_is_told_once(app: LabApp) -> None:
    """On_configure and on_after_configure come when the settings are first read."""
    told: list[Any] = []
    app.on_configure.connect(lambda **_: told.append("configure"), weak=False)
    app.on_after_configure.connect(lambda source, **_: told.append(source is app.conf), weak=False)

    assert app.conf.task_serializer == "json"
    assert app.conf.task_acks_late is False

    assert told == ["configure", True]


def test_periodic_tasks_are_kept_until_there_are_settings(app: LabApp) -> None:
    """Entries for beat may be added before and after the settings are read, and while they are."""
    add = app.task(name="add")(lambda x: x)

    def setup(sender: Any, **_: Any) -> None:
        sender.add_periodic_task(30.0, add.s(2), name="while", expires=10)

    app.on_after_configure.connect(setup, weak=False)
    app.add_periodic_task(10.0, app.signature("add", (1,)), name="before")
    schedule = app.conf.beat_schedule
    assert set(schedule) == {"before", "while"}
    app.add_periodic_task(5.0, add.s(3))

    assert set(app.conf.beat_schedule) == {"before", "while", "add(3)"}
    assert app.conf.beat_schedule["while"]["options"] == {"expires": 10}
    assert app.conf.beat_schedule["before"]["args"] == (1,)


def test_the_zone_is_that_of_the_settings(app: LabApp) -> None:
    """Without a zone it is UTC; an unknown one is refused with its name."""
    assert app.uses_utc_timezone()
    assert app.now().tzinfo is UTC
    app.conf.timezone = "Europe/Oslo"
    assert str(app.timezone) == "Europe/Oslo"
    assert not app.uses_utc_timezone()
    app.conf.timezone = "Mars/Olympus"
    with pytest.raises(ImproperlyConfigured, match="Mars/Olympus"):
        _ = app.timezone


def test_the_last_app_is_current_and_the_default_is_everywhere(app: LabApp) -> None:
    """Each thread may have an app of its own; others fall back to the default, then to the last."""
    other = LabApp("other")
    assert current.get_current_app() is other
    seen: list[Any] = []

    def look() -> None:
        seen.append(current.get_current_app())
        other.set_current()
        seen.append(current.get_current_app())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [app, other]  # the fixture has made its app the default one
    assert current.current_app.main == "other"
    other.close()
    assert current.get_current_app() is app
    assert current.app_or_default(other) is other


def test_a_missing_app_is_made_or_missed(app: LabApp, monkeypatch: Any) -> None:
    """Without any app the factory makes the default one; without a factory it is an error."""
    monkeypatch.setattr(current._Process, "default", None)
    monkeypatch.setattr(current._Process, "current", None)
    monkeypatch.setattr(current._Process, "make_default", None)
    token = current._app_here.set(None)
    with pytest.raises(ImproperlyConfigured, match="no current app"):
        current.get_current_app()
    current.set_default_factory(lambda: app)

    assert current.get_current_app() is app
    current._app_here.reset(token)


def test_ports_of_the_place_win(app: LabApp) -> None:
    """Where a driver gives each node its own ports, the app stands on those."""
    own = app.ports
    other = app.make_ports()
    token = current.ports_here.set(lambda given: other)

    assert app.ports is other
    current.ports_here.reset(token)
    assert app.ports is own


def test_an_app_travels_as_its_settings(app: LabApp) -> None:
    """A pickled app comes back as one of the same class and settings."""
    app.conf.task_acks_late = True

    again = pickle.loads(pickle.dumps(app))

    assert (again.main, again.conf.task_acks_late) == ("lab", True)
    again.close()


def test_results_are_bound_to_the_app(app: LabApp) -> None:
    """The classes of results that an app gives know it."""
    assert app.AsyncResult("x").app is app
    assert app.GroupResult("g", []).app is app
    assert app.ResultSet([]).app is app
    assert isinstance(app.AsyncResult("x"), AsyncResult)
    assert app.AsyncResult is app.AsyncResult
    assert app.EagerResult("x", 1, "SUCCESS").app is app


def test_fixups_are_made_with_the_app() -> None:
    """A fixup is called with the app; it may be named by its path."""
    made: list[Any] = []

    with LabApp("x", fixups=[made.append], set_as_current=False) as app:
        assert made == [app]


def test_reprs_say_name_and_address(app: LabApp) -> None:
    """Apps and tasks show what they are called."""
    task = app.task(name="t")(lambda: None)

    assert repr(app) == f"<LabApp lab at {id(app):#x}>"
    assert repr(task) == f"<@task: t of lab at {id(app):#x}>"


def test_modules_are_imported_when_the_worker_wants_them(app: LabApp) -> None:
    """Include and autodiscovery wait for import_default_modules."""
    package = "tests.unit.app.discovered"
    app.conf.include = ["tests.unit.app.undiscovered"]
    app.autodiscover_tasks([package, "tests.unit.app.undiscovered", "json"])
    app.autodiscover_tasks(lambda: [package])
    try:
        modules = app.import_default_modules()
    finally:
        signals.import_modules.receivers = []

    assert [module.__name__ for module in modules] == ["tests.unit.app.undiscovered"]
    (found,) = app.autodiscover_tasks([package], force=True) or []
    assert found.FOUND
    assert app.autodiscover_tasks([package], related_name="none", force=True) == []
    assert [m.__name__ for m in app.autodiscover_tasks([package], None, force=True) or []] == [
        package
    ]


def test_a_broken_task_module_is_an_error(app: LabApp) -> None:
    """A module of tasks that is there and cannot be imported is not passed over."""
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        app.autodiscover_tasks(["tests.unit.app.broken"], force=True)
    with pytest.raises(ModuleNotFoundError):
        app.autodiscover_tasks(["no_such_package_anywhere"], force=True)
    app.autodiscover_tasks(["tests.unit.app.broken"])
    try:
        with pytest.raises(ModuleNotFoundError):
            app.import_default_modules()
    finally:
        signals.import_modules.receivers = []


def test_a_class_may_know_the_app(app: LabApp) -> None:
    """Subclass_with_self derives a class that has the app as an attribute."""

    class Thing:
        app: Any = None

    made = app.subclass_with_self(Thing, name="Named", extra=1)

    assert (made.__name__, made.app, made.extra) == ("Named", app, 1)
    assert app.subclass_with_self("taskq.app.result:AsyncResult").app is app


def test_settings_can_be_taken_back(app: LabApp) -> None:
    """One of them, or all; the app itself notices."""
    app.conf.task_default_queue = "mine"
    version = app.conf.version
    del app.conf["task_default_queue"]
    assert (app.conf.task_default_queue, app.conf.version > version) == ("celery", True)
    app.conf.task_default_queue = "mine"
    app.conf.clear()

    assert app.conf.task_default_queue == "celery"


def test_settings_may_be_assigned_as_a_whole(app: LabApp) -> None:
    """They are a source like any other."""
    app.conf = {"task_default_queue": "mine"}

    assert app.conf.task_default_queue == "mine"


def test_words_of_a_command_line_are_settings(app: LabApp) -> None:
    """With a section and a dot in front, or in full."""
    app.config_from_cmdline(["worker.concurrency=4", "task_default_queue=mine"])

    assert (app.conf.worker_concurrency, app.conf.task_default_queue) == (4, "mine")


@pytest.mark.parametrize("zone", [UTC, "UTC", "utc"])
def test_the_zone_may_be_given_as_itself(app: LabApp, zone: Any) -> None:
    """Or by its name."""
    app.conf.timezone = zone

    assert app.uses_utc_timezone()


def test_without_utc_the_zone_is_the_machines(app: LabApp) -> None:
    """As the clock's time is shown here."""
    app.conf.enable_utc = False

    assert app.timezone == app.ports.clock.read().wall.astimezone().tzinfo


def test_layers_may_be_replaced_by_classes(app: LabApp) -> None:
    """Celery's constructor takes them by name; outside of a task nobody runs here."""
    given = LabApp("given", set_as_current=False, control="my.app:Control")

    assert given.control_cls == "my.app:Control"  # type: ignore[attr-defined]  # as it was given
    assert given.current_worker_task is None
    assert given.current_task is None
    given.close()
