"""Faults of what happens in bodies."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, Final

from taskq_testing.faults.table import TASK_NAME, Fault, Parameter
from taskq_testing.sim.world import SimWorld

# Longer than any world lives.
_EVER_S: Final = 100 * 365 * 86400.0


class _Once:
    """In the nth body of a task that begins from now on, and in those after it."""

    def __init__(
        self, world: SimWorld, given: Mapping[str, Any], *, at_end: bool, act: Callable[[], None]
    ) -> None:
        self._all, self._task = world.mischief, given["task"]
        self._before, self._left = int(given.get("nth", 1)) - 1, int(given.get("times", 1))
        self._at_end, self._act = at_end, act

    def begin(self, task: str) -> None:
        """A body is about to begin."""
        if not self._at_end:
            self._perhaps(task)

    def end(self, task: str) -> None:
        """A body has returned."""
        if self._at_end:
            self._perhaps(task)

    def _perhaps(self, task: str) -> None:
        if self._task not in ("", task):
            return
        if self._before:
            self._before -= 1
            return
        self._left -= 1
        if self._left <= 0:
            self._all.pop(self, None)
        self._act()


def _plan(
    world: SimWorld, given: Mapping[str, Any], act: Callable[[], None], *, at_end: bool = False
) -> None:
    world.mischief[_Once(world, given, at_end=at_end, act=act)] = None


def _raise(world: SimWorld, given: Mapping[str, Any]) -> None:
    _plan(world, given, _raiser(given["error"], "raised by the fault app.raise_at"))


def _db_rollback(world: SimWorld, given: Mapping[str, Any]) -> None:
    raiser = _raiser(given["error"], "could not commit: the transaction was rolled back")
    _plan(world, given, raiser, at_end=True)


def _raiser(name: str, told: str) -> Callable[[], None]:
    error = getattr(builtins, name, None)
    if not (isinstance(error, type) and issubclass(error, Exception)):
        raise ValueError(  # noqa: TRY004 - the name is wrong, whatever it names
            f"no built-in exception is called {name!r}"
        )

    def act() -> None:
        raise error(told)

    return act


def _sleep(world: SimWorld, given: Mapping[str, Any]) -> None:
    seconds = float(given["for"])
    _plan(world, given, lambda: world.sleep_here(seconds))


def _hang(world: SimWorld, given: Mapping[str, Any]) -> None:
    _plan(world, given, lambda: world.sleep_here(_EVER_S))


def _exit(world: SimWorld, given: Mapping[str, Any]) -> None:
    code = int(given["code"])

    def leave() -> None:
        raise SystemExit(code)

    _plan(world, given, leave)


_NTH: Final = Parameter("nth", "number", 1)
_TIMES: Final = Parameter("times", "number", 1)
_ERROR: Final = Parameter("error", "word", "RuntimeError")

FAULTS: Final = (
    Fault("app.raise_at", "the body raises before it does anything",
          (TASK_NAME, _ERROR, _NTH, _TIMES), _raise),
    Fault("app.db_rollback", "the body has done everything, and then its transaction fails",
          (TASK_NAME, _ERROR, _NTH, _TIMES), _db_rollback),
    Fault("app.sleep", "the body takes longer",
          (TASK_NAME, Parameter("for", "duration", 60.0), _NTH, _TIMES), _sleep),
    Fault("app.hang", "the body never comes back", (TASK_NAME, _NTH), _hang),
    Fault("app.exit", "the body ends its process",
          (TASK_NAME, Parameter("code", "number", 1), _NTH, _TIMES), _exit),
)  # fmt: skip
