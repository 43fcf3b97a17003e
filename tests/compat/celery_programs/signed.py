"""Every message is signed, and nothing else is read."""

import os
import sys

from celery import Celery

FOLDER = os.environ["PROGRAM_KEYS"]

app = Celery("signed", broker=os.environ["PROGRAM_BROKER"], backend=os.environ["PROGRAM_BACKEND"])
app.conf.update(
    security_key=f"{FOLDER}/{os.environ['PROGRAM_KEY']}.key",
    security_certificate=f"{FOLDER}/{os.environ['PROGRAM_KEY']}.crt",
    security_cert_store=f"{FOLDER}/trusted/*.crt",
    security_digest="sha256",
    task_serializer="auth",
    event_serializer="auth",
    accept_content=["auth"],
    result_accept_content=["json"],
)
app.setup_security()


@app.task
def add(x, y):
    return x + y


@app.task(bind=True)
def add_later(self, x, y):
    if not self.request.retries:
        raise self.retry(countdown=0.1)
    return x + y


if __name__ == "__main__":
    if sys.argv[1] == "trusted":
        assert add.delay(2, 3).get(timeout=40) == 5
        assert add_later.delay(2, 3).get(timeout=40) == 5
        assert (add.s(1, 1) | add.s(1)).delay().get(timeout=40) == 3
    else:
        add.apply_async((1, 1), task_id="refused")
    print("sent")
