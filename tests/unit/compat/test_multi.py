"""``celery.apps.multi``: words become nodes, nodes become processes."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from taskq.compat import multi
from tests.real.workers import PROGRAMS


def nodes(*words: str) -> list[multi.Node]:
    """Read words as ``celery multi`` does."""
    parser = multi.NamespacedOptionParser(words)
    parser.parse()
    return list(multi.MultiParser(suffix="h").parse(parser))


def test_so_many_nodes_with_options_of_their_own() -> None:
    """A number is so many nodes; ``-c:1`` and ``-Q:1-2`` are for some of them."""
    made = nodes("3", "-c", "3", "-c:1", "10", "-Q:1-2", "images", "--pidfile=/run/%n.pid")

    assert [node.name for node in made] == ["celery1@h", "celery2@h", "celery3@h"]
    assert [node.options["-c"] for node in made] == ["10", "3", "3"]
    assert [node.options.get("-Q") for node in made] == ["images", "images", None]
    assert [node.pidfile for node in made][:2] == ["/run/celery1.pid", "/run/celery2.pid"]


def test_nodes_by_name() -> None:
    """A name with a host keeps it; what stands after ``--`` goes to all."""
    made = nodes("a", "b@x", "-c:a", "2", "--", "--without-gossip")

    assert [node.name for node in made] == ["a@h", "b@x"]
    assert made[0].options["-c"] == "2"
    assert all(node.argv[-1:] == ("--without-gossip",) for node in made)
    assert all("--" not in node.argv for node in made)


def test_a_command_line_that_is_one() -> None:
    """The app goes before the command, as the program wants it."""
    node = multi.Node.from_kwargs("w@h", A="proj", c=3)
    words = list(node.argv_with_executable)

    assert words[:5] == [sys.executable, "-m", "taskq", "-A", "proj"]
    assert words[5:7] == ["worker", "--detach"]
    assert ("-c", "3") in list(itertools.pairwise(words))
    assert "--executable" not in " ".join(words)


def test_words_are_kept_apart() -> None:
    """Options of all, options of some, names, and the rest."""
    parser = multi.NamespacedOptionParser(
        ["start", "3", "-c:1", "10", "--loglevel=INFO", "-E", "--", "-b", "x"]
    )
    parser.parse()

    assert parser.values == ["start", "3"]
    assert parser.options == {"--loglevel": "INFO", "-E": None}
    assert parser.optmerge("1") == {"--loglevel": "INFO", "-E": None, "-c": "10"}
    assert parser.passthrough == "-- -b x"


def test_how_a_process_ended_is_told() -> None:
    """An exit code, or a signal."""
    node, told = multi.Node("w@h"), []

    assert node.handle_process_exit(0) == 0
    assert node.handle_process_exit(3, on_failure=lambda *each: told.append(each)) == 3
    assert node.handle_process_exit(-9, on_signalled=lambda *each: told.append(each)) == 9
    assert told == [(node, 3), (node, 9)]


def test_a_cluster_starts_and_stops(redis_url: str, tmp_path: Path) -> None:
    """Two workers in the background, found by their pid files, told to end, and gone."""
    made = [
        multi.Node(
            name,
            options={
                "-A": "tasks",
                "-c": 1,
                "--pidfile": str(tmp_path / "%n.pid"),
                "--logfile": str(tmp_path / "%n.log"),
            },
        )
        for name in ("one@h", "two@h")
    ]
    path = os.pathsep.join([str(PROGRAMS), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PROGRAM_BROKER": redis_url, "PYTHONPATH": path}
    ended: list[str] = []
    cluster = multi.Cluster(made, env=env, on_node_shutdown_ok=lambda node: ended.append(node.name))

    assert cluster.start() == [0, 0]
    try:
        _until(lambda: all(node.alive() for node in cluster))
        assert [node.name for node in cluster.getpids()] == ["one@h", "two@h"]
    finally:
        cluster.stopwait(retry=1, sig=signal.SIGTERM)
    assert sorted(ended) == ["one@h", "two@h"]
    assert not any(node.alive() for node in cluster)


def _until(true: object) -> None:
    import time

    deadline = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
