"""Tasks that sentry-sdk and OpenTelemetry look at; what they report is lines of JSON in a file."""

import json
import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_init

REPORTS = Path(os.environ["ECO_REPORTS"])
app = Celery("watched", broker=os.environ["ECO_BROKER"], backend=os.environ["ECO_STORE"])
app.conf.broker_connection_retry_on_startup = True


def report(**fields):
    with REPORTS.open("a") as file:
        file.write(json.dumps(fields, default=str) + "\n")


@app.task(name="eco.add")
def add(x, y):
    return x + y


@app.task(name="eco.fail")
def fail(text):
    raise ValueError(text)


@app.task(name="eco.again", bind=True)
def again(self):
    if not self.request.retries:
        raise self.retry(countdown=0)
    return "done"


def sentry():
    """As the package's documentation has it, with a transport of our own."""
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.transport import Transport

    class Written(Transport):
        def capture_envelope(self, envelope):
            for item in envelope.items:
                event = item.get_event() or item.get_transaction_event()
                if event:
                    told = [each["type"] for each in event.get("exception", {}).get("values", ())]
                    trace = event["contexts"]["trace"]
                    report(
                        by="sentry",
                        kind=item.type,
                        name=event.get("transaction"),
                        errors=told,
                        trace=trace["trace_id"],
                        status=trace.get("status"),
                        task=event.get("extra", {}).get("celery-job", {}).get("task_name"),
                    )

    sentry_sdk.init(
        dsn="https://key@localhost/1",
        transport=Written,
        traces_sample_rate=1.0,
        default_integrations=False,
        integrations=[CeleryIntegration()],
    )


def opentelemetry():
    """As the package's documentation has it, with an exporter of our own."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Written(SpanExporter):
        def export(self, spans):
            for span in spans:
                report(
                    by="opentelemetry",
                    name=span.name,
                    kind=span.kind.name,
                    status=span.status.status_code.name,
                    trace=format(span.context.trace_id, "032x"),
                    task=(span.attributes or {}).get("celery.task_name"),
                    state=(span.attributes or {}).get("celery.state"),
                )
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Written()))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()


if os.environ["ECO_PACKAGE"] == "sentry":
    sentry()
elif __name__ == "__main__":
    opentelemetry()
else:
    # In each process of the pool, as its documentation asks for.
    worker_process_init.connect(lambda **_: opentelemetry(), weak=False)


if __name__ == "__main__":
    import sys

    assert add.delay(2, 3).get(timeout=60) == 5
    assert isinstance(fail.delay("sold out").get(timeout=60, propagate=False), ValueError)
    assert again.delay().get(timeout=60) == "done"
    sys.stdout.write("done\n")
