"""The beats of a world: how one begins, ends, and dies."""

from __future__ import annotations

from functools import partial
from typing import Any

from taskq.app.app import App
from taskq_testing.sim.beat import BeatNode, Disk
from taskq_testing.sim.fleet import Fleet


class Beats(Fleet):
    """A fleet with beats."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.beats: dict[str, BeatNode] = {}
        self.disks: dict[str, Disk] = {}  # of each machine that had a beat
        super().__init__(*args, **options)

    def start_beat(
        self,
        name: str = "beat",
        *,
        app: App | None = None,
        schedule: str | None = None,
        scheduler: Any = None,
        max_interval: float | None = None,
    ) -> BeatNode:
        """Start a beat on a machine of that name; its options are those of the command line."""
        if name in self.beats:
            raise ValueError(f"a beat called {name!r} runs already; stop or kill it first")
        app = app or self.apps[0]
        station = self.stations.get(name) or self._station(name)
        disk = self.disks.setdefault(name, Disk(station.hands))
        node = BeatNode(
            app,
            hands=station.hands,
            disk=disk,
            scheduler=self._scheduler,
            schedule_filename=schedule,
            scheduler_cls=scheduler,
            max_interval=max_interval,
        )
        self.beats[name] = node
        station.hands.say("beat.start")
        self._scheduler.spawn(
            f"{name}/beat",
            partial(_run_beat, self.beats, name, node),
            place=station,
            context=self._seat(station).context(self._base),
            owner=node,
        )
        return node

    def stop_beat(self, name: str = "beat") -> None:
        """Ask a beat to end, as TERM does."""
        node = self._beat(name)
        self.stations[name].hands.say("beat.stop")
        node.stop()

    def kill(self, name: str) -> None:
        """A machine dies: everything of its worker, or of its beat, vanishes."""
        if name not in self.beats:
            super().kill(name)
            return
        node = self.beats.pop(name)
        self.stations[name].hands.say("fault.kill")
        node.vanish()
        self._scheduler.drop_all(node)
        self._scheduler.leave_if_gone()

    def _beat(self, name: str) -> BeatNode:
        node = self.beats.get(name)
        if node is None:
            raise ValueError(f"no beat called {name!r} runs; these do: {list(self.beats)}")
        return node


def _run_beat(beats: dict[str, BeatNode], name: str, node: BeatNode) -> None:
    try:
        node.run()
    finally:
        beats.pop(name, None)
