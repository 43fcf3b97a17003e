"""What a client of the shop does; run with the worker on the other side of the broker."""

from celery import Celery, chain, chord, current_app, exceptions, group, signature, states
from celery.exceptions import NotRegistered
from celery.result import AsyncResult
from shop import celery_app as app
from shop import tasks

WAIT = 40


def class_based():
    """Attributes live as long as the process; handlers run; failures reach both handlers."""
    assert tasks.count.delay(1).get(timeout=WAIT)[-1] == 1
    assert tasks.greet.delay("you").get(timeout=WAIT) == "hello you"
    assert app.tasks["shop.greet"].greeting == "hello"
    failed = tasks.count.delay(-1)
    assert isinstance(failed.get(timeout=WAIT, propagate=False), ValueError)


def routing():
    """A function, a pattern and the default queue decide; what a call says wins."""
    assert tasks.video.delay("a").get(timeout=WAIT) in ("video", "media")
    assert tasks.feed_import.delay("a").get(timeout=WAIT) in ("feed.import", "feeds")
    assert tasks.whoami.delay().get(timeout=WAIT)["queue"] == "default"
    assert tasks.whoami.apply_async(queue="media").get(timeout=WAIT)["queue"] in ("video", "media")
    assert app.amqp.router.route({}, "shop.tasks.video")["queue"].name == "media"
    assert set(app.amqp.queues) == {"default", "media", "feeds"}


def requests_and_signals():
    """Headers that a receiver adds arrive; receivers in the worker were told in order."""
    result = tasks.whoami.delay()
    seen = result.get(timeout=WAIT)
    assert seen["customer"] == "kim", seen
    assert seen["id"] == result.id
    told, prepared = tasks.what_was_told.delay().get(timeout=WAIT)
    kinds = [each[0] for each in told]
    assert "prerun" in kinds
    assert kinds.index("prerun") < kinds.index("postrun")
    assert "shop.tasks.what_was_told" in prepared
    assert app.conf.result_expires == 1800


def retries():
    """By hand and by themselves; what gives up says why."""
    assert tasks.flaky.delay(2).get(timeout=WAIT) == 2
    error = tasks.unlucky.delay().get(timeout=WAIT, propagate=False)
    assert isinstance(error, OSError), error


def states_and_results():
    """States, ids, what is not known."""
    result = tasks.shared.delay(3, y=4)
    assert result.get(timeout=WAIT) == 12
    again = AsyncResult(result.id, app=app)
    assert again.state == states.SUCCESS
    assert AsyncResult("no-such-task", app=app).state == states.PENDING
    try:
        tasks.shared.apply_async((1,), queue="nobody", ignore_result=False).get(timeout=0.2)
    except exceptions.TimeoutError:
        pass
    else:
        raise AssertionError("it did not time out")
    try:
        app.tasks["shop.nothing"]
    except NotRegistered as error:
        assert "shop.nothing" in str(error)
    else:
        raise AssertionError("it was found")
    assert current_app.main == "shop"
    assert isinstance(app, Celery)


def canvas():
    """One of each."""
    add = tasks.shared.s
    assert chain(add(2, y=3) | add(y=4))().get(timeout=WAIT) == 24
    assert group(add(i, y=2) for i in range(3))().get(timeout=WAIT) == [0, 2, 4]
    assert signature("shop.greet", args=("all",), app=app).delay().get(timeout=WAIT) == "hello all"


def chords():
    """Where results can count."""
    total = app.tasks["shop.tasks.shared"]
    assert chord([total.s(1), total.s(2)])(tasks.count.si(7)).get(timeout=WAIT)[-1] == 7
