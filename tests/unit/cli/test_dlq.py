"""``taskq dlq``: dead letters are listed, shown, sent again and thrown away."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq.app.dead_letters import NoDeadLettersError
from taskq.cli.context import CLIContext
from taskq.cli.dlq import command
from taskq.ports import DeadLetter, Message

TASK = Message(
    headers={"task": "proj.add", "id": "7", "argsrepr": "(1, '**')", "kwargsrepr": "{}"},
    body=b'[[1, "s3cret"], {}, {}]',
    content_type="application/json",
    content_encoding="utf-8",
    properties={"priority": 3},
)
LETTERS = [
    DeadLetter("b", TASK, "q", "", "q", "delivered 20 times", "w1@h", 1795181409.5, 20),
    DeadLetter("a", None, "q", "", "q", "no message:\n\x1b[1m", "w1@h", 0.0, None, b"\xff{"),
]


class Letters:
    """``app.dead_letters`` of a small world."""

    def __init__(self) -> None:
        self.letters = list(LETTERS)
        self.done: list[Any] = []
        self.kept = True

    def _check(self) -> None:
        if not self.kept:
            raise NoDeadLettersError("memory://")

    def list(self, limit: int, offset: int) -> list[DeadLetter]:
        self._check()
        return self.letters[offset : offset + limit]

    def count(self) -> int:
        self._check()
        return len(self.letters)

    def show(self, letter_id: str) -> DeadLetter | None:
        self._check()
        return next((one for one in self.letters if one.letter_id == letter_id), None)

    def _do(self, what: str, ids: tuple[str, ...], everything: bool) -> int:
        self._check()
        self.done.append((what, ids, everything))
        return sum(everything or one.letter_id in ids for one in self.letters)

    def replay(self, *ids: str, all: bool = False) -> int:  # noqa: A002 - as its model
        return self._do("replay", ids, all)

    def purge(self, *ids: str, all: bool = False) -> int:  # noqa: A002 - as its model
        return self._do("purge", ids, all)


@pytest.fixture
def letters() -> Letters:
    return Letters()


def run(letters: Letters, *argv: str, answer: str = "", quiet: bool = False) -> Result:
    app = SimpleNamespace(dead_letters=letters)
    context = CLIContext(app=app, no_color=True, quiet=quiet)
    return CliRunner().invoke(command, argv, obj=context, input=answer)


def test_a_list_has_a_line_for_each_letter(letters: Letters) -> None:
    """Its id, when, where, what and why; nothing in it can begin another line."""
    assert run(letters, "list").output == (
        "b  2026-11-20T13:30:09+00:00  q  proj.add[7]  delivered 20 times\n"
        "a  1970-01-01T00:00:00+00:00  q  no task[?]  no message:\\x0a\\x1b[1m\n"
        "2 of 2 dead letters\n"
    )
    assert run(letters, "list", "-n", "1", "--offset", "1", quiet=True).output.startswith("a  ")
    letters.letters.clear()
    assert run(letters, "list").output == "no dead letters\n"


def test_a_list_may_be_json(letters: Letters) -> None:
    """How many there are, and those that were asked for."""
    said = json.loads(run(letters, "list", "--json", "-n", "1").output)

    assert said == {
        "count": 2,
        "letters": [
            {
                "id": "b",
                "at": "2026-11-20T13:30:09+00:00",
                "queue": "q",
                "task": "proj.add",
                "task_id": "7",
                "reason": "delivered 20 times",
                "node": "w1@h",
                "attempts": 20,
            }
        ],
    }


def test_a_letter_is_shown_with_all_that_is_known(letters: Letters) -> None:
    """The arguments as the sender lets them be shown; the body only if it is asked for."""
    out = run(letters, "show", "b").output

    assert "reason      delivered 20 times\n" in out
    assert "args        (1, '**')\n" in out
    assert "size        23\n" in out
    assert "s3cret" not in out
    assert "s3cret" in run(letters, "show", "b", "--body").output


def test_what_is_no_message_is_shown_as_it_came(letters: Letters) -> None:
    """Bytes that no text has are escaped."""
    said = json.loads(run(letters, "show", "a", "--body", "--json").output)

    assert (said["task"], said["body"], said["size"]) == (None, "\\xff{", 2)


def test_a_letter_that_is_gone_is_named(letters: Letters) -> None:
    """Somebody may have sent it again meanwhile."""
    done = run(letters, "show", "zzz")

    assert done.exit_code == 1
    assert "there is no dead letter 'zzz'" in done.output


def test_named_letters_are_sent_again_at_once(letters: Letters) -> None:
    """Nothing is asked for what was named and does no harm."""
    done = run(letters, "replay", "a", "b")

    assert done.output == "2 dead letters sent again\n"
    assert letters.done == [("replay", ("a", "b"), False)]


@pytest.mark.parametrize(
    ("argv", "question"),
    [
        (("replay", "--all"), "Send all 2 dead letters again?"),
        (("purge", "--all"), "Throw all 2 dead letters away, for ever?"),
        (("purge", "a"), "Throw 1 dead letters away, for ever?"),
    ],
)
def test_what_cannot_be_undone_is_asked_for(
    argv: tuple[str, ...], question: str, letters: Letters
) -> None:
    """Nothing happens unless somebody says yes, by hand or by --yes."""
    refused = run(letters, *argv, answer="n\n")
    before = list(letters.done)
    agreed = run(letters, *argv, answer="y\n")
    said = run(letters, *argv, "--yes", "--json")

    assert question in refused.output
    assert refused.exit_code == 1
    assert before == []
    assert agreed.exit_code == said.exit_code == 0
    assert json.loads(said.stdout) == {"count": 1 if "a" in argv else 2}
    assert len(letters.done) == 2


@pytest.mark.parametrize("deed", ["replay", "purge"])
def test_it_has_to_be_said_which(deed: str, letters: Letters) -> None:
    """Some by name, or all; never all because nothing was said."""
    assert "or say --all" in run(letters, deed).output
    assert "not both" in run(letters, deed, "a", "--all").output
    assert letters.done == []


def test_letters_that_were_not_there_are_counted(letters: Letters) -> None:
    """Whoever names them learns that not all was done."""
    done = run(letters, "replay", "a", "zzz")

    assert done.exit_code == 1
    assert "1 dead letters sent again" in done.output
    assert "1 of 2 are not there" in done.output


@pytest.mark.parametrize(
    "argv", [("list",), ("show", "a"), ("replay", "a"), ("purge", "a", "-y"), ("purge", "--all")]
)
def test_a_broker_without_dead_letters_says_so(argv: tuple[str, ...], letters: Letters) -> None:
    """In one line, with the exit code of what is not available."""
    letters.kept = False
    done = run(letters, *argv)

    assert done.exit_code == 69
    assert "keeps no dead letters" in done.output
