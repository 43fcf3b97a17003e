"""What every test may use: private servers, and the options that name given ones instead."""

from __future__ import annotations

pytest_plugins = ("taskq_testing.server_fixtures",)
