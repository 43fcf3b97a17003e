"""The tasks of the shop, and the outside that they talk to."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskq import TaskQ, chain, chord, group
from taskq.schedules import crontab


class SmtpDown(Exception):
    """The mail server does not answer."""


class CardRefused(Exception):
    """The bank says no."""


@dataclass
class Outside:
    """Mail server, bank, warehouse."""

    mails: list[str] = field(default_factory=list)
    smtp_failures: int = 0  # how often it will not answer
    charges: dict[str, int] = field(default_factory=dict)  # by idempotency key
    calls: list[str] = field(default_factory=list)
    stock: dict[str, int] = field(default_factory=lambda: {"pen": 10, "ink": 10})


def make_app(outside: Outside) -> TaskQ:
    """Make the program, with its outside."""
    app = TaskQ("shop", set_as_current=False)
    app.conf.timezone = "Europe/Berlin"
    app.conf.taskq_delivery_limit = 3
    app.conf.task_routes = {"shop.mail": {"queue": "mail"}}
    app.conf.task_queues = {"celery": {}, "mail": {}}
    app.conf.beat_schedule = {
        "nightly": {"task": "shop.report", "schedule": crontab(hour="2", minute="30")},
    }

    @app.task(name="shop.mail", bind=True, max_retries=3)
    def mail(self, to):
        if outside.smtp_failures:
            outside.smtp_failures -= 1
            raise self.retry(countdown=86_400, exc=SmtpDown(to))
        outside.mails.append(to)
        return to

    @app.task(name="shop.ping", bind=True, max_retries=2, default_retry_delay=0.05)
    def ping(self):
        if outside.smtp_failures:
            outside.smtp_failures -= 1
            raise self.retry()
        return "pong"

    @app.task(name="shop.charge", acks_late=True)
    def charge(order, cents):
        outside.calls.append(order)
        if cents > 100_000:
            raise CardRefused(order)
        outside.charges.setdefault(order, cents)
        return outside.charges[order]

    @app.task(name="shop.capture")
    def capture(order):  # not safe to run twice: acknowledged before it begins
        outside.calls.append(order)

    @app.task(name="shop.reserve")
    def reserve(item, count):
        outside.stock[item] -= count
        return {item: count}

    @app.task(name="shop.ship")
    def ship(reserved, order):
        outside.calls.append(f"ship {order}")
        return {"order": order, "items": sum(sum(each.values()) for each in reserved)}

    @app.task(name="shop.refund")
    def refund(order):
        outside.charges.pop(order, None)
        outside.calls.append(f"refund {order}")

    @app.task(name="shop.report")
    def report():
        outside.calls.append("report")

    @app.task(name="shop.crash", acks_late=True, reject_on_worker_lost=True)
    def crash(order):
        outside.calls.append(order)

    @app.task(name="shop.order", ignore_result=True)
    def order(number, items):
        header = group(reserve.s(item, count) for item, count in items.items())
        chord(header)(ship.s(number))
        mail.delay(f"{number}@customers")

    app.sell = lambda number, cents: chain(
        charge.si(number, cents).on_error(refund.si(number)), mail.si(f"{number}@customers")
    )
    return app
