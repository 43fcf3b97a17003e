"""A camera that prints what it sees."""

from taskq.cli.camera import Polaroid


class Camera(Polaroid):
    """Says how each task stands."""

    def on_shutter(self, state):
        for task in list(state.tasks.values()):
            print(task.state, task.name, "at", task.worker.hostname if task.worker else None)
