"""The same client, with its worker in a thread of the same process."""

import os
import sys

os.environ.setdefault("PROGRAM_BROKER", "memory://")
os.environ.setdefault("PROGRAM_BACKEND", "cache+memory://")

import client
from celery.contrib.testing.worker import start_worker

if __name__ == "__main__":
    with start_worker(client.app, perform_ping_check=False):
        for step in sys.argv[1:]:
            getattr(client, step)()
            print(step)
