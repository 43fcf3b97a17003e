"""What went wrong with a broker, in words: why, and what to do about it."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import amqp

_TIMED_OUT: Final = (
    "RabbitMQ takes back what is not acknowledged within its consumer_timeout (30 minutes), and"
    " nothing can renew it: raise consumer_timeout above the longest body (rabbitmq.conf, or"
    " x-consumer-timeout of the queue since 3.12), or run that task without acks_late"
)
_TOO_LARGE: Final = "send less, or raise max_message_size in rabbitmq.conf"

# The first class whose error says this gives the advice.
_ADVICE: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (ConnectionRefusedError, "", "is the broker running there, and is the port right?"),
    (socket.gaierror, "", "check the host name in broker_url"),
    (ssl.SSLError, "", "check broker_use_ssl, and the certificates it names"),
    (amqp.exceptions.AccessRefused, "", "check user, password and permissions in broker_url"),
    (amqp.exceptions.NotAllowed, "", "check the virtual host in broker_url"),
    (amqp.exceptions.PreconditionFailed, "acknowledgement", _TIMED_OUT),
    (amqp.exceptions.PreconditionFailed, "size", _TOO_LARGE),
    (
        amqp.exceptions.PreconditionFailed,
        "",
        "it exists with other properties: declare it the same way everywhere, or delete it once",
    ),
    (
        amqp.exceptions.ResourceLocked,
        "",
        "another connection holds it: has another worker this name, or was one just lost?",
    ),
    (TimeoutError, "", "is something between here and the broker dropping packets?"),
)


def explain(failure: BaseException) -> tuple[str, str]:
    """Say why, and what to do."""
    if isinstance(failure, TimeoutError):
        why = "no answer in time"
    else:
        why = str(failure) or type(failure).__name__
    fitting = (
        advice for kind, says, advice in _ADVICE if isinstance(failure, kind) and says in why
    )
    return why, next(fitting, "")
