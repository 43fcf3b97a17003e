"""``celery.utils.sysinfo``: what this machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = [
    "AUTO_CONCURRENCY",
    "CpuBudget",
    "available_cpu_count",
    "cgroup_cpu_quota",
    "cpu_budget",
    "df",
    "is_auto_concurrency",
    "load_average",
]

AUTO_CONCURRENCY: Final = "auto"
CGROUP: Final = "/sys/fs/cgroup"


def load_average() -> tuple[float, ...]:
    """Return the load of the last 1, 5 and 15 minutes."""
    return tuple(math.ceil(each * 1e2) / 1e2 for each in os.getloadavg())


class df:  # noqa: N801 - Celery's name
    """How full a file system is."""

    def __init__(self, path: str | bytes | os.PathLike[str]) -> None:
        self.path = path

    @property
    def stat(self) -> os.statvfs_result:
        """What the system says."""
        return os.statvfs(self.path)

    @property
    def total_blocks(self) -> float:
        """How much there is, in kibibytes."""
        return self.stat.f_blocks * self.stat.f_frsize / 1024

    @property
    def available(self) -> float:
        """How much is left for ordinary users, in kibibytes."""
        return self.stat.f_bavail * self.stat.f_frsize / 1024

    @property
    def capacity(self) -> int:
        """How much of what ordinary users may have is in use, in percent."""
        stat = self.stat
        used = stat.f_blocks - stat.f_bfree
        return math.ceil(used * 100 / (used + stat.f_bavail))


class CpuBudget(NamedTuple):
    """How many processes can run at a time here."""

    count: int  # type: ignore[assignment]  # Celery's name; the tuple's method is not used
    available: int
    quota: float | None


def available_cpu_count() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) or 1


def cgroup_cpu_quota(root: str = CGROUP) -> float | None:
    """Return how many processors the container may use; None without a limit."""
    for read in (_quota_v2, _quota_v1):
        try:
            return read(Path(root))
        except (OSError, ValueError):
            continue  # another version of cgroups, or none
    return None


def _quota_v2(root: Path) -> float | None:
    quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(root: Path) -> float | None:
    quota = int((root / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    period = int((root / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii"))
    return None if quota <= 0 else quota / period


def cpu_budget(use_cgroup_quota: bool = True) -> CpuBudget:
    """Return the processors that are free to use, under the limit of the container."""
    available = available_cpu_count()
    quota = cgroup_cpu_quota() if use_cgroup_quota else None
    count = available if quota is None else max(1, min(available, math.ceil(quota)))
    return CpuBudget(count, available, quota)


def is_auto_concurrency(value: Any) -> bool:
    """Whether a setting leaves the number of processes to the machine."""
    return isinstance(value, str) and value.strip().lower() == AUTO_CONCURRENCY
