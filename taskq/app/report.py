"""What a bug report needs to say: versions, and settings without secrets."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

LIBRARIES: Final = ("taskq", "kombu", "amqp", "redis", "hiredis", "click")


def facts(app: Any) -> dict[str, str]:
    """Return what there is to know beside the settings."""
    libraries = " ".join(f"{name}:{_version(name)}" for name in LIBRARIES)
    ports = app.ports
    return {
        "software": f"{libraries} py:{platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "broker": ports.broker.name,
        "results": ports.store.name,
    }


def report(app: Any) -> str:
    """Return the text."""
    settings = app.conf.humanize(with_defaults=False, censored=True)
    lines = [f"{name:<8} -> {text}" for name, text in facts(app).items()]
    return "\n".join((*lines, "", settings or "(no setting is given)"))


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
