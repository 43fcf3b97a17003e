"""The second program: what is done with its tasks."""

from taskq import chain, chord, group

from .tasks import add, mul, xsum


def calling():
    """Calls, queues, delays, states."""
    assert add(2, 2) == 4
    result = add.delay(2, 2)
    assert result.get(timeout=20) == 4
    assert len(result.id) == 36
    assert add.apply_async((2, 2), queue="hipri", countdown=0.2).get(timeout=20) == 4

    failed = add.delay(2, "2")
    assert isinstance(failed.get(timeout=20, propagate=False), TypeError)
    assert failed.failed()
    assert not failed.successful()
    assert failed.state == "FAILURE"


def signatures():
    """Signatures and partials."""
    assert add.signature((2, 2), countdown=0.2).delay().get(timeout=20) == 4
    assert add.s(2, 2).delay().get(timeout=20) == 4
    assert add.s(2).delay(8).get(timeout=20) == 10


def chains():
    """One after another."""
    assert chain(add.s(4, 4) | mul.s(8))().get(timeout=20) == 64
    partial = chain(add.s(4) | mul.s(8))
    assert partial(4).get(timeout=20) == 64
    assert (add.s(4, 4) | mul.s(8))().get(timeout=20) == 64


def groups():
    """Side by side."""
    assert group(add.s(i, i) for i in range(10))().get(timeout=20) == [i + i for i in range(10)]
    partial = group(add.s(i) for i in range(10))
    assert partial(10).get(timeout=20) == list(range(10, 20))


def chords():
    """Side by side, then one over all results."""
    assert chord((add.s(i, i) for i in range(10)), xsum.s())().get(timeout=20) == 90
    assert (group(add.s(i, i) for i in range(10)) | xsum.s())().get(timeout=20) == 90
