"""Stand-ins for what a command talks to: an app that writes down what it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from taskq.conf import Settings
from taskq.ports import ExchangeSpec, QueueSpec


class FakeWorker:
    """A worker that ends at once."""

    def __init__(self, app: FakeApp, **options: Any) -> None:
        self.options = options
        self.hostname = options["hostname"]
        self.pool_name = options.get("pool", "prefork")
        self.task_events = bool(options.get("task_events"))
        self.concurrency = options.get("concurrency", 2)
        self.queues = (
            QueueSpec("celery", ExchangeSpec("celery"), "celery"),
            QueueSpec("long_queue", ExchangeSpec(""), "k"),
        )
        self.exit_code, self.wants_restart = app.exit_code, app.wants_restart
        app.workers.append(self)

    def start(self) -> int:
        return self.exit_code


class FakeApp:
    """What commands use of an app."""

    def __init__(self, main: str | None = "proj", exit_code: int = 0, **settings: Any) -> None:
        self.main, self.exit_code, self.wants_restart = main, exit_code, False
        self.user_options: dict[str, set[Any]] = {}
        self.asked: list[Any] = []
        self.replies: list[dict[str, Any]] = []
        self.conf = Settings({"worker_redirect_stdouts": False, **settings})
        self.tasks: dict[str, Any] = {
            "celery.chord": object(),
            "proj.add": SimpleNamespace(AsyncResult=lambda task_id: self.result(task_id, "own")),
        }
        self.workers: list[FakeWorker] = []
        self.sent: list[Any] = []
        self.logging: list[Any] = []
        self.purged: list[str] = []
        self.amqp = SimpleNamespace(queues={"celery": None, "other": None})
        self.log = SimpleNamespace(
            setup=lambda *args, **kwargs: self.logging.append((args, kwargs))
        )
        self.ports = SimpleNamespace(
            broker=SimpleNamespace(purge=self._purge, name="amqp://u:**@h//"),
            store=SimpleNamespace(name="disabled"),
        )
        self.control = SimpleNamespace(broadcast=self._broadcast)
        self.imported = 0

    def Worker(self, **options: Any) -> FakeWorker:  # noqa: N802 - Celery's name
        return FakeWorker(self, **options)

    def send_task(self, name: str, **options: Any) -> Any:
        self.sent.append((name, options))
        return SimpleNamespace(id="the-id")

    def AsyncResult(self, task_id: str) -> Any:  # noqa: N802 - Celery's name
        return self.result(task_id, "default")

    @staticmethod
    def result(task_id: str, store: str) -> Any:
        return SimpleNamespace(
            get=lambda timeout, propagate: f"{task_id} from {store}, {propagate}",
            traceback="Traceback ...",
            state="SUCCESS",
        )

    def import_default_modules(self) -> None:
        self.imported += 1

    def _broadcast(self, command: str, *, callback: Any, **options: Any) -> list[dict[str, Any]]:
        self.asked.append((command, options))
        for reply in self.replies:
            callback(reply)
        return self.replies

    def _purge(self, name: str) -> int:
        self.purged.append(name)
        return len(self.purged) if name != "empty" else 0
