"""Makes ``import celery`` give the modules of the table.

A finder on ``sys.meta_path`` answers for ``celery`` and all below it, another for the names of
``billiard`` that libraries for Celery import, where that is not installed.  Their modules are
facades, so an import costs what the program then uses.  The first also answers
``importlib.metadata`` for a distribution ``celery``, because instrumenting libraries ask there
which version they deal with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from taskq.compat.facade import SCHEME, Facade, facade, has_children, location
from taskq.compat.names import MODULES
from taskq.compat.version import __version__
from taskq.errors import TaskqError

__all__ = ["VARIABLE", "CeleryIsLoadedError", "install", "installed", "is_told", "tell_children"]

# A process that finds this in its environment, not empty and not "0", installs the alias.
VARIABLE: Final = "TASKQ_AS_CELERY"
NAME: Final = "celery"
# On PYTHONPATH it lets every interpreter read the variable when it starts.
SITE: Final = str(Path(__file__).parent / "site")


class CeleryIsLoadedError(TaskqError):
    """The real Celery has been imported in this process; objects of both would meet."""

    def __init__(self, file: str | None) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return (
            f"celery is imported already, from {self.file or 'an unknown place'}; call"
            " taskq.compat.celery.install() before anything imports it, or start the program with"
            " `python -m taskq.compat.celery`"
        )


class AliasLoader(Loader):
    """Hands out facades."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the one facade of this name."""
        return facade(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: names are looked up when they are used."""

    def is_package(self, fullname: str) -> bool:
        """Say whether there are modules below it."""
        return has_children(fullname)

    def get_code(self, fullname: str) -> CodeType:
        """Return what ``python -m`` runs: the command line, for whichever name."""
        return compile(
            "from taskq.__main__ import main\nmain()\n", f"<python -m {fullname}>", "exec"
        )


class MainLoader(AliasLoader):
    """``celery.__main__``."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return an ordinary module."""
        return ModuleType(spec.name)


class AliasFinder(DistributionFinder):
    """Answers for one package of the table and the modules below it."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec of a module of the table; None leaves the name to other finders."""
        del path, target
        if fullname == f"{NAME}.__main__":
            return ModuleSpec(fullname, MainLoader(), origin=__file__)
        if fullname not in MODULES or fullname.partition(".")[0] != self._package:
            return None
        module = facade(fullname)
        spec = ModuleSpec(fullname, AliasLoader(), origin=module.__file__)
        if has_children(fullname):
            spec.submodule_search_locations = [location(fullname)]
        return spec

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        """Say which Celery this is."""
        if self._package == NAME and (context is None or context.name in (None, NAME)):
            yield AliasDistribution()


class AliasDistribution(Distribution):
    """What ``importlib.metadata`` says of ``celery``."""

    def read_text(self, filename: str) -> str | None:
        """Return a file of the metadata."""
        if filename != "METADATA":
            return None
        return (
            f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {__version__}\n"
            "Summary: The names of Celery, as they live in taskq.\nRequires-Dist: taskq\n"
        )

    def locate_file(self, path: Any) -> Any:
        """Return where a file would be."""
        return Path(__file__).parent / path


class _Walk:
    """What ``pkgutil`` walks over."""

    def __init__(self, entry: str) -> None:
        if not entry.startswith(SCHEME):
            raise ImportError(entry)  # the protocol of path hooks: not mine
        self._package = entry.removeprefix(SCHEME)

    def find_spec(self, _name: str, _target: ModuleType | None = None) -> None:
        """Leave finding to the finder on the meta path."""

    def iter_modules(self, prefix: str = "") -> Iterable[tuple[str, bool]]:
        """Name the modules right below this package."""
        below = f"{self._package}."
        for name in sorted(MODULES):
            last = name.removeprefix(below)
            if name.startswith(below) and "." not in last:
                yield prefix + last, has_children(name)


_finder: Final = AliasFinder(NAME)
# Asked last: who has billiard installed gets that one.
_last_finder: Final = AliasFinder("billiard")


def installed() -> bool:
    """Whether ``import celery`` gives taskq in this process."""
    return _finder in sys.meta_path


def install(children: bool = True) -> None:
    """Make ``import celery``, and every module below it, give taskq; may be called again.

    Processes that this one starts do the same, unless ``children`` is False: the environment tells
    them.  Raises ``CeleryIsLoadedError`` where the real Celery is imported already.
    """
    loaded = sys.modules.get(NAME)
    if loaded is not None and not isinstance(loaded, Facade):
        raise CeleryIsLoadedError(getattr(loaded, "__file__", None))
    if not installed():
        sys.meta_path.insert(0, _finder)
        sys.meta_path.append(_last_finder)
        sys.path_hooks.insert(0, _Walk)
    if children:
        tell_children(os.environ)


def tell_children(environ: MutableMapping[str, str]) -> None:
    """Say in an environment that ``import celery`` means taskq."""
    environ[VARIABLE] = "1"
    paths = [each for each in environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if SITE not in paths:
        environ["PYTHONPATH"] = os.pathsep.join([SITE, *paths])


def is_told(environ: MutableMapping[str, str]) -> bool:
    """Whether an environment says so."""
    return environ.get(VARIABLE, "") not in ("", "0")
