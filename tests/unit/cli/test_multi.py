"""``taskq multi``: names, options for some, and nothing that is not there is stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from taskq.cli.context import CLIContext
from taskq.cli.multi import command
from taskq.cli.multi_nodes import Node, Nodes, NodesError, read_words


def nodes(*words: str) -> list[Node]:
    return list(Nodes(read_words(words), python="py", host="box"))


def told(node: Node) -> list[str]:
    """Return what a worker is told, without what every one is."""
    words = list(node.words)
    return words[words.index("--detach") + 1 : words.index("-n")]


def test_a_number_stands_for_so_many_nodes() -> None:
    """3 nodes are celery1 to celery3 on this host."""
    assert [node.name for node in nodes("3")] == ["celery1@box", "celery2@box", "celery3@box"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["web", "mail"], ["web@box", "mail@box"]),
        (["2", "--range-prefix=w"], ["w1@box", "w2@box"]),
        (["2", "--hostname=other"], ["celery1@other", "celery2@other"]),
        (["a", "--prefix=x-", "--suffix=-y"], ["x-a-y@box"]),
        (["foo@there", "bar@%h"], ["foo@there", "bar@box"]),
    ],
)
def test_nodes_may_be_named(words: list[str], names: list[str]) -> None:
    """Names, prefixes and hosts come together as they do in Celery."""
    assert [node.name for node in nodes(*words)] == names


def test_options_may_be_for_some() -> None:
    """What is said of a node counts more than what is said of all: by number, range, list, name."""
    found = nodes(*["4", "-c", "3", "-c:1", "10", "-Q:2-3", "images", "-l:celery4,1", "DEBUG"])

    assert [told(node) for node in found] == [
        ["-c", "10", "-l", "DEBUG"],
        ["-c", "3", "-Q", "images"],
        ["-c", "3", "-Q", "images"],
        ["-c", "3", "-l", "DEBUG"],
    ]


def test_a_command_line_begins_with_the_program() -> None:
    """Options of the program stand before the command, files are those of the node."""
    (node,) = nodes(
        *[
            "w",
            "-A",
            "proj",
            "-E",
            "--pidfile=/run/%n.pid",
            "--logfile=/log/%n%I.log",
            "--",
            "-x",
            "y",
        ]
    )

    assert " ".join(node.words) == (
        "py -m taskq -A proj worker --detach -E -n w@box --pidfile=/run/w.pid"
        " --logfile=/log/w%I.log --executable=py -- -x y"
    )


@pytest.mark.parametrize("words", [["a", "a"], ["2", "-c:3", "1"], ["2", "-c:web", "1"], ["0"]])
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    """Two nodes of one name, and options of nodes that are not there, are errors."""
    with pytest.raises(NodesError):
        nodes(*words)


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), unique=True, min_size=1))
def test_each_node_has_files_of_its_own(names: list[str]) -> None:
    """No two nodes share a pid file or a log."""
    found = nodes(*names)

    assert len({node.pidfile for node in found}) == len(found) == len(names)
    assert len({node.logfile for node in found}) == len(found)


def invoke(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, list(words), obj=CLIContext(no_color=True))
    return done.exit_code, done.output


def test_names_and_patterns_are_printed() -> None:
    """``names`` and ``expand`` tell scripts which files are whose."""
    assert invoke("names", "a", "b", "--hostname=h") == (0, "a@h\nb@h\n")
    assert invoke("expand", "/run/%n.pid", "2") == (0, "/run/celery1.pid\n/run/celery2.pid\n")
    assert invoke("get", "2", "a", "b", "-c:b", "7")[1].count(" -c 7 ") == 1


def test_a_stale_pid_file_stops_nobody(tmp_path: Path) -> None:
    """A number that is another program's by now, or nobody's, is not sent a signal.

    Also if its command line has the word in a path: whoever tests workers is none.
    """
    line = [sys.executable, "-c", "input()", "tests/unit/worker", "my-worker.py"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as other:
        (tmp_path / "gone.pid").write_text("999999999\n")
        (tmp_path / "other.pid").write_text(f"{other.pid}\n")
        code, output = invoke("stop", "gone", "other", "none", f"--pidfile={tmp_path}/%n.pid")
        other.communicate(b"\n")

    assert code == 0
    assert output.count("DOWN") == 3
    assert other.returncode == 0


def test_an_unknown_command_is_wrong_use() -> None:
    """The commands are listed."""
    code, output = invoke("begin", "3")

    assert code == 2
    assert "stop_verify" in output
