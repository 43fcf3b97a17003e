"""What broker drivers and stores raise when the other side does not do its part.

Each is taskq's own error and kombu's of the same name, so that programs that catch either work.
"""

from __future__ import annotations

from kombu import exceptions as kombu_errors

from taskq import errors

__all__ = ["BrokerError", "BrokerGoneError"]


class BrokerError(errors.OperationalError, kombu_errors.OperationalError):
    """A call did not succeed: where it went, why it failed, what to do about it.

    ``where`` is a URL with its password starred.
    """

    def __init__(self, where: str, why: str, advice: str = "") -> None:
        super().__init__(where, why, advice)
        self.where, self.why, self.advice = where, why, advice

    def __str__(self) -> str:
        line = f"{self.where}: {self.why}"
        return f"{line}; {self.advice}" if self.advice else line


class BrokerGoneError(errors.BrokerLostError, kombu_errors.OperationalError):
    """The connection of a worker is gone; ``reconnect`` comes next."""

    def __init__(self, where: str, why: str, advice: str = "") -> None:
        super().__init__(where, why)
        self.args = (where, why, advice)
        self.advice = advice

    def __str__(self) -> str:
        line = super().__str__()
        return f"{line}; {self.advice}" if self.advice else line
