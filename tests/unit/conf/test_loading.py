"""Configuration sources: what can be one, and how its names and values are read."""

from __future__ import annotations

import os
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from taskq.conf.loading import (
    ConfigNotFound,
    Importer,
    describe_source,
    read_source,
    settings_from,
    settings_from_arguments,
)
from taskq.errors import ImproperlyConfigured, UnknownSettingWarning, WrongSettingError


def importer(**modules: Any) -> Importer:
    """An importer that knows these modules, with dots for double underscores."""
    known = {name.replace("__", "."): module for name, module in modules.items()}

    def find(name: str) -> Any:
        if name in known:
            return known[name]
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return find


class Config:
    """A class of settings."""

    task_serializer = "yaml"
    my_own = 1
    timezone = __import__("datetime").timezone  # imported by chance

    def helper(self) -> None:
        """No setting."""


def test_a_module_an_object_and_a_mapping_are_sources() -> None:
    """Anything with attributes or items will do, and what is no setting is passed over."""
    module = ModuleType("celeryconfig")
    module.__dict__.update(task_serializer="yaml", os=os, _x=1)
    expected = {"task_serializer": "yaml"}

    assert settings_from(module, "m") == expected
    assert settings_from(Config, "c") == {**expected, "my_own": 1}
    assert settings_from(SimpleNamespace(**expected), "o") == expected
    assert settings_from({**expected, 5: "no name"}, "d") == expected


@pytest.mark.parametrize("named", ["pkg.conf", "pkg.conf:Config", "pkg.conf.Config"])
def test_a_source_can_be_named(named: str) -> None:
    """A module, a name in a module with a colon, and the same with a dot."""
    module = SimpleNamespace(Config=Config, task_serializer="yaml")
    module.Config = Config

    found = read_source(named, importer(pkg__conf=module))

    assert settings_from(found, "s")["task_serializer"] == "yaml"


def test_an_object_is_its_own_source() -> None:
    """What is no text is not looked for."""
    assert read_source(Config, importer()) is Config


@pytest.mark.parametrize("named", ["missing", "missing.conf", "missing:Config", "pkg:Nothing"])
def test_a_source_that_is_not_there_is_an_error(named: str) -> None:
    """The error says what was named, and is an ImportError for who catches that."""
    with pytest.raises(ConfigNotFound, match="no configuration is found at") as error:
        read_source(named, importer(pkg=SimpleNamespace()))

    assert isinstance(error.value, ImportError)
    assert isinstance(error.value, ImproperlyConfigured)


def test_a_file_name_is_corrected() -> None:
    """``celeryconfig.py`` names no module; the error says which name does."""
    with pytest.raises(ConfigNotFound, match="named like a module: 'celeryconfig'"):
        read_source("celeryconfig.py", importer())


def test_silence_makes_a_missing_source_an_empty_one() -> None:
    """With ``silent`` nothing is found, and nothing is said."""
    assert read_source("missing", importer(), silent=True) == {}


def test_what_a_configuration_itself_misses_is_another_error() -> None:
    """A library that the configuration imports and that is missing is named as it is."""

    def find(_name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    with pytest.raises(ModuleNotFoundError, match="numpy") as error:
        read_source("pkg.conf", find)

    assert not isinstance(error.value, ConfigNotFound)


def test_sources_have_names() -> None:
    """Errors name where a value came from."""
    assert describe_source("pkg.conf") == "pkg.conf"
    assert describe_source(Config) == "Config"
    assert describe_source(SimpleNamespace()) == "SimpleNamespace"
    assert describe_source({}) == "config_from_object"


def test_a_source_of_old_names_is_honoured() -> None:
    """Upper-case names of old give the settings of today."""
    found = settings_from({"CELERY_TASK_SERIALIZER": "yaml", "BROKER_URL": "memory://"}, "s")

    assert found == {"task_serializer": "yaml", "broker_url": "memory://"}


def test_old_and_new_names_do_not_mix() -> None:
    """One source with both is refused, with the renames that mend it."""
    with pytest.raises(ImproperlyConfigured) as error:
        settings_from({"task_serializer": "yaml", "CELERYD_POOL": "solo", "BROKER_URL": "a"}, "my")

    assert str(error.value) == (
        "my: old and new setting names are mixed; use the new names only."
        " Rename: BROKER_URL -> broker_url, CELERYD_POOL -> worker_pool"
    )


def test_a_namespace_chooses_and_strips() -> None:
    """Only names in the namespace count, in either case; the rest of a name is the setting."""
    source = {
        "XYZ_TASK_ALWAYS_EAGER": True,
        "xyz_task_serializer": "yaml",
        "XYZ_MY_OWN": 1,
        "TIMEZONE": "Europe/Oslo",
        "TASK_ALWAYS_EAGER": False,
    }

    found = settings_from(source, "s", "XYZ")

    assert found == {"task_always_eager": True, "task_serializer": "yaml", "my_own": 1}


def test_nothing_outside_the_namespace_is_looked_at() -> None:
    """Settings that fail when they are read, as Django's can, do not matter."""

    class Django:
        CELERY_TASK_SERIALIZER = "yaml"

        @property
        def SECRET_KEY(self) -> str:  # noqa: N802 - Django's name
            raise ImproperlyConfigured("The SECRET_KEY setting must not be empty.")

    assert settings_from(Django(), "s", "CELERY") == {"task_serializer": "yaml"}


def test_a_namespace_may_be_written_with_its_underscore() -> None:
    """``CELERY_`` means ``CELERY``."""
    assert settings_from({"CELERY_TASK_SERIALIZER": "yaml"}, "s", "CELERY_") == {
        "task_serializer": "yaml"
    }


def test_names_of_old_are_known_in_a_namespace_too() -> None:
    """CELERY_RESULT_DBURI is a name of old as a whole, CELERY_BROKER_HOST one in a namespace."""
    source = {"CELERY_RESULT_DBURI": "sqlite://", "CELERY_CELERYD_POOL": "solo"}

    assert settings_from(source, "s", "CELERY") == {
        "database_url": "sqlite://",
        "worker_pool": "solo",
    }


def test_a_misspelt_name_in_a_namespace_is_warned_of() -> None:
    """The namespace does not hide a mistake."""
    with pytest.warns(UnknownSettingWarning, match="did you mean 'task_acks_late'"):
        found = settings_from({"CELERY_TASK_ACK_LATE": True}, "s", "CELERY")

    assert found == {"task_ack_late": True}


def test_a_name_of_old_outside_the_namespace_is_warned_of() -> None:
    """CELERYD_POOL beside a namespace CELERY is not read, and somebody has to know."""
    with pytest.warns(UnknownSettingWarning, match="write CELERY_WORKER_POOL"):
        assert settings_from({"CELERYD_POOL": "solo", "CELERYD_": 1}, "s", "CELERY") == {}


def test_a_wrong_value_names_its_source() -> None:
    """The error says in which source the value stands."""
    with pytest.raises(
        WrongSettingError, match=r"my\.module: task_queues must be a list or mapping"
    ):
        settings_from({"task_queues": "celery"}, "my.module")


def test_words_of_a_command_line_are_settings() -> None:
    """Types come from the table, a leading dot means the namespace, names of old are known."""
    words = ["worker.concurrency=4", ".pool=solo", "CELERY_TASK_SERIALIZER=yaml", "a.b=c"]

    assert settings_from_arguments(words, "worker") == {
        "worker_concurrency": 4,
        "worker_pool": "solo",
        "task_serializer": "yaml",
        "a_b": "c",
    }


@pytest.mark.parametrize("word", ["worker.concurrency", "=4"])
def test_a_word_that_is_no_setting_is_refused(word: str) -> None:
    """A word without a name or a value says how to write one."""
    with pytest.raises(ImproperlyConfigured, match=r"write it like worker\.concurrency=4"):
        settings_from_arguments([word])


def test_a_wrong_word_is_refused() -> None:
    """A word that cannot be of the type of its setting is refused, also when it cannot be read."""
    with pytest.raises(WrongSettingError, match="command line: worker_prefetch_multiplier"):
        settings_from_arguments(["worker.prefetch_multiplier=many"])
    with pytest.raises(WrongSettingError, match="command line: task_publish_retry_policy"):
        settings_from_arguments(["task.publish_retry_policy=5"])


def test_a_misspelt_word_is_warned_of() -> None:
    """A command line is checked like any other source."""
    with pytest.warns(UnknownSettingWarning, match="worker_concurency"):
        settings_from_arguments(["worker.concurency=4"])
