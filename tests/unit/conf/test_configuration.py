"""``app.conf``: when it is read, what wins, and what it can be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from taskq.conf import Settings
from taskq.errors import (
    ImproperlyConfigured,
    UnknownSettingError,
    UnknownSettingWarning,
    WrongSettingError,
)


class Source(dict[str, Any]):
    """A configuration that counts how often it is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[str]:
        self.looks += 1
        return super().__iter__()


def test_a_source_is_read_when_a_value_is_first_asked_for() -> None:
    """config_from_object alone reads nothing; the first value that is asked for does."""
    source, conf = Source(task_serializer="yaml"), Settings()

    conf.config_from_object(source)
    before = source.looks, conf.configured, repr(conf)

    assert before == (0, False, "<Settings: not read yet>")
    assert conf.task_serializer == "yaml"
    assert (source.looks, conf.configured) == (1, True)
    assert "'task_serializer': 'yaml'" in repr(conf)


def test_force_reads_at_once() -> None:
    """With ``force`` the source is read now, and the configuration is returned."""
    conf = Settings()

    assert conf.config_from_object({"task_serializer": "yaml"}, force=True) is conf
    assert conf.configured


def test_the_defaults_of_the_table_are_there_from_the_start() -> None:
    """What nobody sets has the default of the table, as attribute and as item."""
    conf = Settings()

    assert conf.task_serializer == conf["task_serializer"] == "json"
    assert "task_serializer" in conf
    assert len(conf) == len(list(conf))
    assert "task_serializer" in dir(conf)


def test_two_apps_share_no_default() -> None:
    """A mapping changed in place is changed in one configuration only, and stays changed."""
    one, other = Settings(), Settings()

    one.beat_schedule["a"] = {}
    one.config_from_object({"task_serializer": "yaml"})

    assert one.beat_schedule == {"a": {}}
    assert other.beat_schedule == {}


def test_what_wins() -> None:
    """Environment, assigned, constructor, source, add_defaults, table: in this order."""
    conf = Settings(
        {"broker_url": "given://", "task_serializer": "given"},
        environ={"CELERY_BROKER_URL": "env://", "CELERY_RESULT_BACKEND": ""},
    )
    conf.add_defaults({"task_compression": "default", "timezone": "default"})
    conf.config_from_object(
        {"task_serializer": "source", "timezone": "source", "task_default_queue": "source"}
    )
    conf.task_default_queue = "assigned"

    assert conf.broker_url == "env://"
    assert conf.task_default_queue == "assigned"
    assert conf.task_serializer == "given"
    assert conf.timezone == "source"
    assert conf.task_compression == "default"
    assert conf.result_serializer == "json"
    assert conf.result_backend is None


def test_the_environment_wins_over_what_is_assigned_later() -> None:
    """A URL in the environment stays, and taskq's own name for it wins over Celery's."""
    conf = Settings(environ={"CELERY_BROKER_URL": "celery://", "TASKQ_BROKER_URL": "taskq://"})

    before = conf.broker_url
    conf.broker_url = "assigned://"

    assert before == conf.broker_url == conf["broker_url"] == "taskq://"


def test_what_was_assigned_before_reading_survives_a_new_source() -> None:
    """Assigned before the first reading: it stays.  After it: a new source replaces it."""
    conf = Settings()
    conf.task_serializer = "early"
    conf.finalize()
    conf.task_compression = "late"
    kept = conf.task_compression

    assert conf.config_from_object({"task_serializer": "source"}) is conf
    assert kept == "late"
    assert conf.task_compression is None
    assert conf.task_serializer == "early"


def test_defaults_may_come_late_and_by_a_function() -> None:
    """add_defaults takes a function too, and works after the first reading."""
    conf = Settings()
    conf.finalize()

    conf.add_defaults(lambda: {"my_own": 1, "CELERYD_CONCURRENCY": 3})

    assert (conf.my_own, conf.worker_concurrency) == (1, 3)


def test_names_of_old_are_read_and_written() -> None:
    """An upper-case name of old is another name of the same setting."""
    conf = Settings()

    conf.CELERYD_CONCURRENCY = 3
    conf.update({"BROKER_URL": "memory://"}, CELERY_TASK_SERIALIZER="yaml")

    assert conf.worker_concurrency == conf["CELERYD_CONCURRENCY"] == 3
    assert conf.CELERYD_CONCURRENCY == 3
    assert (conf.broker_url, conf.task_serializer) == ("memory://", "yaml")
    assert "BROKER_URL" in conf


def test_users_have_settings_of_their_own() -> None:
    """A name outside our namespaces is kept without a word, whatever its value."""
    conf = Settings()
    marker = object()

    conf.my_thing = marker
    conf["REDIS_POOL"] = [marker]

    assert conf.my_thing is marker
    assert conf["REDIS_POOL"] == [marker]


def test_a_misspelt_setting_is_warned_of() -> None:
    """A name in one of our namespaces that no setting has is warned of, with the nearest."""
    conf = Settings()

    with pytest.warns(
        UnknownSettingWarning, match="'task_ack_late'; did you mean 'task_acks_late'"
    ):
        conf.task_ack_late = True
    with pytest.warns(UnknownSettingWarning, match=r"'worker_zzzzzzzzzzzzzzzz'$"):
        conf["worker_zzzzzzzzzzzzzzzz"] = True


def test_a_value_of_the_wrong_type_is_refused_where_it_is_given() -> None:
    """The error names source, setting, type and value; and a secret value is not shown."""
    conf = Settings()

    with pytest.raises(WrongSettingError, match=r"app\.conf: worker_prefetch_multiplier must be a"):
        conf.worker_prefetch_multiplier = "many"
    with pytest.raises(WrongSettingError) as refused:
        conf.redis_password = {"a": "hush"}
    with pytest.raises(WrongSettingError, match="constructor: imports"):
        Settings({"imports": 5})

    assert "hush" not in str(refused.value)


def test_a_name_that_nobody_knows_is_an_error() -> None:
    """As an attribute it is an AttributeError, as an item a KeyError; both propose a name."""
    conf = Settings()

    with pytest.raises(AttributeError, match="did you mean 'task_acks_late'"):
        _ = conf.task_ack_late
    with pytest.raises(KeyError, match="did you mean"):
        conf["task_ack_late"]
    with pytest.raises(AttributeError):
        _ = conf._private
    assert conf.get("nothing") is None
    assert not hasattr(conf, "nothing")
    assert not conf.__contains__(5)


def test_asking_whether_a_value_is_there_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """``get`` of a name that nobody gave compares it with no other name."""

    def compare(*_: object) -> None:
        raise AssertionError("looked for the nearest name")

    monkeypatch.setattr("taskq.conf.configuration.nearest", compare)
    conf = Settings({"timezone": "Europe/Oslo"})

    assert conf.get("TIME_ZONE", "none") == "none"
    assert conf.get("CELERY_TIMEZONE") == "Europe/Oslo"


def test_attributes_say_what_a_missing_value_means() -> None:
    """Exchange and key default to the queue, read and write URL to the broker's."""
    conf = Settings({"task_default_queue": "q", "broker_url": "both://"})

    assert (conf["task_default_exchange"], conf.task_default_exchange) == (None, "q")
    assert (conf["task_default_routing_key"], conf.task_default_routing_key) == (None, "q")
    assert (conf.broker_read_url, conf.broker_write_url) == ("both://", "both://")

    conf.update(broker_read_url="read://", broker_write_url="write://", task_default_exchange="x")

    assert (conf.broker_read_url, conf.broker_write_url) == ("read://", "write://")
    assert conf.task_default_exchange == "x"
    assert Settings({"broker_host": "h"}).broker_url == "h"


def test_the_zone_of_django_is_ours() -> None:
    """TIME_ZONE counts where timezone is not given."""
    assert Settings({"TIME_ZONE": "Europe/Oslo"}).timezone == "Europe/Oslo"
    assert Settings({"TIME_ZONE": "Europe/Oslo", "timezone": "UTC"}).timezone == "UTC"


def test_what_was_assigned_can_be_taken_back() -> None:
    """Deleting a value brings back what it hid; what was not assigned cannot be deleted."""
    conf = Settings({"task_serializer": "yaml"})
    conf.config_from_object({"task_serializer": "pickle"})
    conf.finalize()
    conf.task_compression = "gzip"

    del conf["task_serializer"], conf.task_compression

    assert (conf.task_serializer, conf.task_compression) == ("pickle", None)
    with pytest.raises(UnknownSettingError):
        del conf["task_serializer"]

    conf.task_compression = "gzip"
    conf.clear()
    assert conf.task_compression is None


def test_a_value_can_be_taken_back_before_anything_was_read() -> None:
    """Deleting works on a configuration that is not read yet."""
    conf = Settings({"task_serializer": "yaml"})

    del conf["task_serializer"]

    assert not conf.configured
    assert conf.task_serializer == "json"


def test_what_was_said_can_be_told_from_the_defaults() -> None:
    """changes, value_set_for and without_defaults know what somebody said."""
    conf = Settings({"task_serializer": "yaml"}, environ={"CELERY_BROKER_URL": "env://"})
    conf.config_from_object({"worker_concurrency": 3})
    conf.finalize()
    conf.my_own = 1

    assert conf.changes == {"task_serializer": "yaml", "my_own": 1}
    assert conf.value_set_for("CELERY_TASK_SERIALIZER")
    assert not conf.value_set_for("worker_concurrency")
    assert conf.without_defaults() == {
        "task_serializer": "yaml",
        "worker_concurrency": 3,
        "my_own": 1,
        "broker_url": "env://",
    }
    assert conf.copy() == dict(conf)
    assert conf.maybe_warn_deprecated_settings() is False


def test_people_see_no_secret() -> None:
    """humanize and table star secrets by name and in URLs, also inside an object's own repr."""

    class Queue:
        def __repr__(self) -> str:
            return "<Queue at amqp://u:hush@h//>"

    conf = Settings({"security_key_password": "hush", "broker_url": "amqp://u:hush@h//"})
    conf.update(my_secret="hush", task_queues=[Queue()])

    text = conf.humanize(with_defaults=True)

    assert "hush" not in text
    assert "broker_url: 'amqp://u:**@h//'" in text
    assert conf.table()["my_secret"] == "********"
    assert "task_serializer" in conf.table(with_defaults=True)
    assert conf.table(censored=False)["my_secret"] == "hush"
    assert "hush" in conf.humanize(censored=False)


def test_a_setting_is_found_by_part_of_its_name() -> None:
    """find_option knows names with and without namespace, and names of old."""
    conf = Settings({"task_serializer": "yaml"})

    assert conf.find_option("serializer", "task")[:2] == ("task", "serializer")
    assert conf.find_option("task_serializer")[:2] == ("task", "serializer")
    assert conf.find_option("concurrency")[:2] == ("worker", "concurrency")
    assert conf.find_option("CELERYD_POOL")[:2] == ("worker", "pool")
    assert conf.find_option("timezone")[:2] == ("", "timezone")
    assert conf.find_value_for_key("serializer", "task") == "yaml"
    assert conf.get_by_parts("task", "", "serializer") == "yaml"
    assert conf.first("task_compression", "nothing", "task_serializer") == "yaml"
    assert conf.first("task_compression") is None
    with pytest.raises(UnknownSettingError):
        conf.find_option("nothing")


def test_who_waits_for_the_configuration_is_told_when_it_is_read() -> None:
    """on_load is called after each reading, and may ask for values."""
    told = []
    conf = Settings(on_load=lambda conf: told.append(conf.task_serializer))

    conf.finalize()
    conf.config_from_object({"task_serializer": "yaml"})

    assert told == ["json", "yaml"]


def test_a_source_may_ask_for_what_is_known_without_it() -> None:
    """A configuration that reads the configuration sees what was given so far."""
    conf = Settings({"task_default_queue": "q"})

    class Lazy(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            self["my_own"] = conf.task_default_queue + conf["task_serializer"]
            return super().__iter__()

    conf.config_from_object(Lazy())

    assert conf.my_own == "qjson"


def test_two_threads_read_it_once() -> None:
    """A thread that asks while another one reads waits for that."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Source):
        def __iter__(self) -> Iterator[str]:
            inside.set()
            go_on.wait(5)
            return super().__iter__()

    conf, source, seen = Settings(), Slow(task_serializer="yaml"), []
    conf.config_from_object(source)
    threads = [threading.Thread(target=lambda: seen.append(conf.task_serializer)) for _ in "ab"]

    threads[0].start()
    inside.wait(5)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(5)

    assert seen == ["yaml", "yaml"]
    assert source.looks == 1


def test_a_method_is_never_hidden_by_a_setting() -> None:
    """A setting of a user's own that is called like a method is an item only."""
    conf = Settings()

    conf["update"] = 1
    conf.finalize()

    assert callable(conf.update)
    assert conf["update"] == 1


def test_an_environment_variable_names_the_module() -> None:
    """config_from_envvar reads the module that a variable names, or says what to do."""
    module = ModuleType("my_module")
    module.__dict__["my_own"] = 1
    conf = Settings(environ={"MY_CONFIG": "my_module"}, importer=lambda _: module)

    conf.config_from_envvar("MY_CONFIG")

    assert conf.my_own == 1
    assert conf.config_from_envvar("NOT_SET", silent=True) is False
    with pytest.raises(ImproperlyConfigured, match="NOT_SET is not set"):
        conf.config_from_envvar("NOT_SET")


def test_a_command_line_gives_settings() -> None:
    """config_from_cmdline takes name=value words."""
    conf = Settings()

    found = conf.config_from_cmdline(["worker.concurrency=4", ".pool=solo", "my_own=1"])

    assert found == {"worker_concurrency": 4, "worker_pool": "solo", "my_own": "1"}
    assert (conf.worker_concurrency, conf.worker_pool) == (4, "solo")
