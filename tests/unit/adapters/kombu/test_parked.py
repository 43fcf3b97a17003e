"""What a process remembers of the messages that it has parked: a list with limits."""

from __future__ import annotations

from taskq.adapters.broker.kombu_parked import ParkedBook
from taskq.ports import Message, Parked


def parked(task_id: str, due_s: float, queue: str = "q", size: int = 1) -> Parked:
    return Parked(Message({"id": task_id}, b"x" * size, "", ""), queue, due_s)


def ids(book: ParkedBook, *queues: str, limit: int = 100, now_s: float = 0.0) -> list[str]:
    return [one.message.headers["id"] for one in book.listed(queues or ("q",), limit, now_s)]


def test_the_earliest_is_listed_first() -> None:
    """Of the queues that were asked for, as many as were asked for."""
    book = ParkedBook()
    for one in (parked("b", 20), parked("a", 10), parked("c", 30), parked("other", 5, "p")):
        book.add(one)

    assert ids(book) == ["a", "b", "c"]
    assert ids(book, limit=2) == ["a", "b"]
    assert ids(book, "p", "q") == ["other", "a", "b", "c"]


def test_what_is_due_is_dropped() -> None:
    """It is in its queue by now."""
    book = ParkedBook()
    book.add(parked("a", 10))
    book.add(parked("b", 20))

    assert ids(book, now_s=10) == ["b"]
    assert ids(book, now_s=0) == ["b"]


def test_there_are_never_more_than_so_many() -> None:
    """The oldest are forgotten, by number and by size."""
    book = ParkedBook(most=3, most_bytes=100)
    for number in range(5):
        book.add(parked(str(number), number))
    assert ids(book, now_s=-1) == ["2", "3", "4"]

    book.add(parked("large", 9, size=99))
    assert ids(book, now_s=-1) == ["4", "large"]


def test_what_was_revoked_is_listed_no_more() -> None:
    """All messages of those tasks."""
    book = ParkedBook()
    for one in (parked("a", 10), parked("a", 20), parked("b", 30)):
        book.add(one)
    book.forget(["a", "nobody"])

    assert ids(book) == ["b"]
