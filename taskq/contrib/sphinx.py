# ruff: noqa: PLR0917 - the parameters are Sphinx's, and so is their order
"""Documents tasks with Sphinx: add ``taskq.contrib.sphinx`` to ``extensions`` in ``conf.py``.

``autotask`` documents one task, ``automodule`` those of a module, and ``py:task`` is the directive
to write one by hand.  ``celery_task_prefix`` says what stands before the name: ``(task)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from docutils import nodes
from sphinx.domains.python import PyFunction
from sphinx.ext.autodoc import FunctionDocumenter

from taskq.app.task import Task

__all__ = ["TaskDirective", "TaskDocumenter", "autodoc_skip_member_handler", "setup"]


def body_of(task: Any) -> Any:
    """Return the function that a task runs."""
    return getattr(task.run, "__wrapped__", task.run)


class TaskDocumenter(FunctionDocumenter):
    """Documents a task by its function."""

    objtype = "task"
    member_order = 11

    @classmethod
    def can_document_member(cls, member: Any, membername: str, isattr: bool, parent: Any) -> bool:
        """Say whether it is a task."""
        del membername, isattr, parent
        return isinstance(member, Task) and getattr(member, "__wrapped__", member.run) is not None

    def format_args(self, **_kwargs: Any) -> str:
        """Return the parameters of its function."""
        parameters = signature(body_of(self.object)).parameters
        own = [each for name, each in parameters.items() if name != "self"]
        return f"({', '.join(map(str, own))})"

    def document_members(self, all_members: bool = False) -> None:
        """A task has no members that anybody wants to read."""

    def check_module(self) -> bool:
        """Say whether it was defined in the module that is documented."""
        module = getattr(body_of(self.object), "__module__", None)
        return module == self.modname or bool(super().check_module())

    def get_doc(self) -> list[list[str]] | None:
        """Return the text of its function."""
        from sphinx.util.docstrings import prepare_docstring  # noqa: PLC0415 - beside its one use

        text = body_of(self.object).__doc__
        return [prepare_docstring(text)] if text else None


class TaskDirective(PyFunction):
    """``.. py:task::``."""

    def get_signature_prefix(self, sig: str) -> list[nodes.Node]:
        """Return what stands before the name."""
        del sig
        return [nodes.Text(self.env.config.celery_task_prefix), nodes.Text(" ")]


def autodoc_skip_member_handler(
    app: Any, what: str, name: str, obj: Any, skip: bool, options: Mapping[str, Any]
) -> bool | None:
    """Let autodoc see tasks that it would take for imported objects."""
    del app, what, name, options
    return False if skip and isinstance(obj, Task) and body_of(obj).__doc__ else None


def _let_documenters_of_extensions_speak(app: Any, config: Any) -> None:
    """From Sphinx 9 on ``automodule`` asks documenters of extensions only if this is said."""
    del app
    if hasattr(config, "autodoc_use_legacy_class_based"):
        config.autodoc_use_legacy_class_based = True


def setup(app: Any) -> dict[str, Any]:
    """Tell Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_autodocumenter(TaskDocumenter)
    app.add_directive_to_domain("py", "task", TaskDirective)
    app.add_config_value("celery_task_prefix", "(task)", True)
    app.connect("autodoc-skip-member", autodoc_skip_member_handler)
    app.connect("config-inited", _let_documenters_of_extensions_speak, priority=100)
    return {"parallel_read_safe": True}
