"""The first program: one module."""

import os

from taskq import TaskQ

app = TaskQ(
    "tasks",
    broker=os.environ.get("PROGRAM_BROKER", "memory://"),
    backend=os.environ.get("PROGRAM_BACKEND", "cache+memory://"),
)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    timezone="Europe/Oslo",
    enable_utc=True,
)


@app.task
def add(x, y):
    return x + y


def first_steps():
    """Call, wait, look at what came back."""
    result = add.delay(4, 4)
    assert result.get(timeout=20) == 8
    assert result.ready()
    assert result.successful()

    wrong = add.delay(2, "x")
    error = wrong.get(timeout=20, propagate=False)
    assert isinstance(error, TypeError), error
    assert wrong.traceback.startswith("Traceback")
    try:
        wrong.get(timeout=20)
    except TypeError as raised:
        assert "unsupported operand" in str(raised)
    else:
        raise AssertionError("get() did not raise")
