"""``python -m taskq_testing``: the same as ``taskq-sim``."""

from __future__ import annotations

from taskq_testing.cli import main

if __name__ == "__main__":
    main(prog_name="python3 -m taskq_testing")
