"""First steps: one module, one app, one task, a configuration in a module."""

import os

from celery import Celery

app = Celery("first", broker=os.environ["PROGRAM_BROKER"], backend=os.environ["PROGRAM_BACKEND"])
app.config_from_object("celeryconfig")


@app.task
def add(x, y):
    return x + y


if __name__ == "__main__":
    assert app.conf.task_serializer == "json"
    assert app.conf.timezone == "Europe/Oslo"
    result = add.delay(4, 4)
    assert result.get(timeout=30) == 8
    assert result.ready()
    wrong = add.delay(2, "x")
    assert isinstance(wrong.get(timeout=30, propagate=False), TypeError)
    assert wrong.traceback.startswith("Traceback")
    print("first steps done")
