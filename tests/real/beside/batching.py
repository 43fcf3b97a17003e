"""A program of celery-batches, as its documentation has it, run through the alias."""

import os

from celery import Celery
from celery_batches import Batches

app = Celery("batching", broker=os.environ["BESIDE_BROKER"], backend=os.environ["BESIDE_BACKEND"])
app.conf.update(
    worker_prefetch_multiplier=0,
    task_acks_late=bool(os.environ.get("BESIDE_LATE")),
    task_default_queue="batches",
)


@app.task(base=Batches, flush_every=5, flush_interval=float(os.environ.get("BESIDE_INTERVAL", "1")))
def count(requests):
    for request in requests:
        answer = [len(requests), request.args[0], request.kwargs["by"]]
        app.backend.mark_as_done(request.id, answer, request=request)


@app.task
def plain(x):
    return x


if __name__ == "__main__":
    results = [count.delay(number, by="me") for number in range(12)]
    assert plain.delay(1).get(timeout=60) == 1
    print(*([*result.get(timeout=60)] for result in results), sep="\n")
