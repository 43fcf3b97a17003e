"""An app whose broker is an office in memory."""

from tests.unit.app.office_fixtures import app, office

__all__ = ["app", "office"]
