"""``pydantic=True``: arguments are validated against the annotations, models are dumped.

What travels is plain JSON; the body gets models, and may return them.  pydantic is an extra: it is
imported when a task that asks for it is made.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from types import ModuleType, UnionType
from typing import Any

from taskq.errors import ImproperlyConfigured

__all__ = ["with_validation"]


def with_validation(
    app: Any, fun: Callable[..., Any], name: str, bound: bool, options: dict[str, Any]
) -> Callable[..., Any]:
    """Return the function, wrapped if its options ask for pydantic."""
    if not options.get("pydantic"):
        return fun
    pydantic = _import_pydantic(name)
    context = dict(options.get("pydantic_context") or {})
    if options.get("pydantic_strict") is None and app.strict_typing is False:
        options["pydantic_strict"] = False
    return _Validation(
        pydantic,
        fun,
        bound,
        strict=bool(options.get("pydantic_strict", False)),
        context={"taskq_app": app, "taskq_task_name": name, **context},
        dump=dict(options.get("pydantic_dump_kwargs") or {"mode": "json"}),
    ).wrap()


def _import_pydantic(name: str) -> ModuleType:
    try:
        import pydantic  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImproperlyConfigured(
            f"task {name!r} has pydantic=True, and pydantic is not installed; "
            "run `pip install pydantic`"
        ) from error
    return pydantic


class _Validation:
    """Validates what goes in, dumps what comes out."""

    def __init__(
        self,
        pydantic: ModuleType,
        fun: Callable[..., Any],
        bound: bool,
        *,
        strict: bool,
        context: dict[str, Any],
        dump: dict[str, Any],
    ) -> None:
        self.base = pydantic.BaseModel
        self.fun, self.bound, self.strict = fun, bound, strict
        self.context, self.dump = context, dump
        signature = inspect.signature(fun)
        parameters = list(signature.parameters.values())
        self.signature = signature.replace(parameters=parameters[1:] if bound else parameters)
        hints = typing.get_type_hints(fun)
        self.models = {
            parameter: model
            for parameter, hint in hints.items()
            if parameter != "return" and (model := self._model_in(hint)) is not None
        }

    def _model_in(self, hint: Any) -> Any:
        """Return the model that an annotation names, also an optional one."""
        if typing.get_origin(hint) in (typing.Union, UnionType):
            found = [self._model_in(each) for each in typing.get_args(hint)]
            models = [each for each in found if each is not None]
            return models[0] if len(models) == 1 else None
        is_model = isinstance(hint, type) and issubclass(hint, self.base)
        return hint if is_model else None

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        """Validate arguments."""
        bound = self.signature.bind(*args, **kwargs)
        for name, model in self.models.items():
            value = bound.arguments.get(name)
            if value is not None and not isinstance(value, model):
                bound.arguments[name] = model.model_validate(
                    value, strict=self.strict, context=self.context
                )
        return bound

    def give(self, value: Any) -> Any:
        """Dump a result, if it is a model."""
        return value.model_dump(**self.dump) if isinstance(value, self.base) else value

    def wrap(self) -> Callable[..., Any]:
        """Return the function with validation around it."""
        first = 1 if self.bound else 0
        fun = self.fun
        if inspect.iscoroutinefunction(fun):

            @functools.wraps(fun)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                taken = self.take(args[first:], kwargs)
                return self.give(await fun(*args[:first], *taken.args, **taken.kwargs))

            return awaited

        @functools.wraps(fun)
        def called(*args: Any, **kwargs: Any) -> Any:
            taken = self.take(args[first:], kwargs)
            return self.give(fun(*args[:first], *taken.args, **taken.kwargs))

        return called
