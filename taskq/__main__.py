"""``python -m taskq``, and the program ``taskq``."""

from __future__ import annotations

import os
import sys

from taskq.cli.main import main as run


def main() -> None:
    """Run the command line, and exit with its code."""
    if os.environ.get("TASKQ_AS_CELERY", "") not in ("", "0"):
        # The application that is named may import celery; that of others must not pay for it.
        from taskq.compat.importer import install  # noqa: PLC0415

        install()
    sys.exit(run())


if __name__ == "__main__":
    main()
