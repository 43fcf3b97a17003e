"""Celery's own receiver, as a monitor would use it: prints each event as a line of JSON."""

import json
import os
import sys
import time

from celery import Celery

app = Celery("watch", broker=os.environ["FLEET_BROKER"])
until = time.monotonic() + float(sys.argv[1])
with app.connection() as connection:
    receiver = app.events.Receiver(
        connection, handlers={"*": lambda event: print(json.dumps(event, default=str), flush=True)}
    )
    print(json.dumps({"type": "listening"}), flush=True)
    while time.monotonic() < until:
        try:
            receiver.capture(limit=None, timeout=0.5, wakeup=False)
        except OSError:
            continue
