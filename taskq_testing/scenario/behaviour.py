"""Bodies of inline tasks: what a scenario scripts, as real tasks of a real application.

A body takes (virtual) time, then fails or returns.  What it returns is a value, or a template
over its arguments: ``$args.0``, ``$kwargs.name``, ``sum($args.0)``.  There is no code in a file.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from taskq_testing.nearest import nearest
from taskq_testing.scenario.schema import RetrySpec, TaskSpec

FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {"sum": sum, "len": len, "min": min, "max": max, "sorted": sorted}
)
_PATH: Final = re.compile(r"\$(args|kwargs)((?:\.\w+)*)")
_FUNCTION: Final = re.compile(r"(\w+)\((\$.*)\)")


def check_template(value: Any) -> str | None:
    """What is wrong with a value of ``returns``; None if it has a meaning."""
    if not isinstance(value, str) or "$" not in value:
        return None
    path = value
    found = _FUNCTION.fullmatch(value)
    if found:
        name, path = found.groups()
        if name not in FUNCTIONS:
            return f"no function is called {name!r}{nearest(name, FUNCTIONS)}"
    if not _PATH.fullmatch(path):
        return f"{value!r} is no template; use $args, $args.0, $kwargs.name or sum($args)"
    return None


def fill(template: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What a template gives for these arguments."""
    if not isinstance(template, str) or "$" not in template:
        return template
    found = _FUNCTION.fullmatch(template)
    if found:
        return FUNCTIONS[found[1]](fill(found[2], args, kwargs))
    path = _PATH.fullmatch(template)
    assert path is not None, "templates are checked when the file is loaded"
    value: Any = args if path[1] == "args" else kwargs
    for part in path[2].split(".")[1:]:
        value = value[int(part)] if isinstance(value, list | tuple) else value[part]
    return list(value) if isinstance(value, tuple) else value


def add_task(app: Any, name: str, spec: TaskSpec) -> None:
    """Register one scripted task."""
    options = {"name": name, "bind": True, **_retry_options(spec.retry), **spec.options}

    def body(self: Any, *args: Any, **kwargs: Any) -> Any:
        ports = self.app.ports
        ports.clock.sleep(_seconds(spec.takes, ports.randomness.uniform))
        return _end(spec, self.request.retries, args, kwargs)

    async def async_body(self: Any, *args: Any, **kwargs: Any) -> Any:
        import asyncio  # noqa: PLC0415 - few scenarios have coroutines

        await asyncio.sleep(_seconds(spec.takes, self.app.ports.randomness.uniform))
        return _end(spec, self.request.retries, args, kwargs)

    app.task(async_body if spec.async_ else body, **options)


def _end(spec: TaskSpec, attempt: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    raises = spec.raises
    if raises is not None and (raises.first is None or attempt < raises.first):
        error: type[Exception] = getattr(builtins, raises.error)
        raise error(f"attempt {attempt + 1} fails, as the scenario says")
    return fill(spec.returns, args, kwargs)


def _seconds(takes: Any, uniform: Callable[[float, float], float]) -> float:
    return uniform(*takes) if isinstance(takes, tuple) else float(takes)


def _retry_options(retry: RetrySpec | None) -> dict[str, Any]:
    if retry is None:
        return {}
    options: dict[str, Any] = {
        "autoretry_for": tuple(getattr(builtins, name) for name in retry.on),
        "max_retries": retry.max,
        "retry_jitter": retry.jitter,
    }
    if retry.wait is not None:
        options["default_retry_delay"] = retry.wait
    if retry.backoff is not None:
        options["retry_backoff"] = int(retry.backoff)
    if retry.backoff_max is not None:
        options["retry_backoff_max"] = int(retry.backoff_max)
    return options
