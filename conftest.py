"""What every test may use: private servers, and one history of examples for each change."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ("taskq_testing.server_fixtures",)

# A change is judged by the same examples each time; `TASKQ_EXAMPLES=random` looks for new ones.
settings.register_profile("change", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None, print_blob=True)
settings.load_profile("random" if os.environ.get("TASKQ_EXAMPLES") == "random" else "change")
