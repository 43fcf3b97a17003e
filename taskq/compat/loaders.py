"""``celery.loaders``: the loader of programs that have a module ``celeryconfig``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from taskq.app.discovery import symbol
from taskq.app.loader import LOADERS, AppLoader, BaseLoader

__all__ = [
    "DEFAULT_CONFIG_MODULE",
    "LOADER_ALIASES",
    "AppLoader",
    "BaseLoader",
    "Loader",
    "get_loader_cls",
]

DEFAULT_CONFIG_MODULE: Final = "celeryconfig"
LOADER_ALIASES: Final = LOADERS


def get_loader_cls(loader: Any) -> Any:
    """Return the class of a loader, by its alias or its path."""
    return symbol(LOADERS.get(loader, loader))


class Loader(BaseLoader):
    """Reads the module ``celeryconfig``, or the one that ``CELERY_CONFIG_MODULE`` names."""

    def setup_settings(self, settingsdict: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return settings in the form that ``conf`` has."""
        return dict(settingsdict)

    def read_configuration(self, fail_silently: bool = True) -> Any:  # type: ignore[override]  # as Celery has it
        """Return the settings of the module; none where there is no such module."""
        name = os.environ.get("CELERY_CONFIG_MODULE", DEFAULT_CONFIG_MODULE)
        if find_spec(name) is None:
            if not fail_silently:
                raise ImportError(f"no module is called {name!r}", name=name)
            warnings.warn(
                f"no {name} module found: make sure it exists and can be imported", stacklevel=2
            )
            return {}
        return self.setup_settings(self._read(name))
