"""Which Celery this is to programs that ask: the one whose API it has, and that it is taskq."""

from __future__ import annotations

from typing import Final, NamedTuple

import taskq

__all__ = ["SERIES", "VERSION", "VERSION_BANNER", "__version__", "version_info", "version_info_t"]

SERIES: Final = "opalescent"


class version_info_t(NamedTuple):  # noqa: N801 - Celery's name
    """The parts of a version."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: str


VERSION: Final = version_info_t(5, 7, 0, "", "")
version_info: Final = VERSION
__version__: Final = f"{VERSION.major}.{VERSION.minor}.{VERSION.micro}+taskq.{taskq.__version__}"
VERSION_BANNER: Final = f"{__version__} ({SERIES})"

__author__ = "The taskq authors"
__contact__ = ""
__homepage__ = ""
__docformat__ = "restructuredtext"
