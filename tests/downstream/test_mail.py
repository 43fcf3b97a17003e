"""Mail: queues, retries, order."""

from __future__ import annotations


def test_a_mail_is_sent(world, shop, outside):
    """The ordinary case."""
    world.start_worker("w1")
    result = shop.tasks["shop.mail"].delay("ann@shop")

    assert result.get() == "ann@shop"
    assert outside.mails == ["ann@shop"]


def test_mail_has_a_queue_of_its_own(world, shop):
    """So that a slow mail server delays nothing else."""
    shop.tasks["shop.mail"].delay("ann@shop")

    world.assert_published("shop.mail", args=["ann@shop"], queue="mail", eta=None, times=1)


def test_mail_is_tried_again_over_three_days(world, shop, outside, taskq_clock):
    """A mail server that is down for two days loses nothing."""
    world.start_worker("w1")
    outside.smtp_failures = 2
    began = taskq_clock.now()
    result = shop.tasks["shop.mail"].delay("ann@shop")
    world.run_until_quiet()

    world.assert_retried("shop.mail", delays_s=[86_400, 86_400], within_s=2)
    assert result.get() == "ann@shop"
    assert 2 <= (taskq_clock.now() - began).days < 3


def test_mail_is_given_up_after_three_days(world, shop, outside):
    """And the error is that of the mail server."""
    world.start_worker("w1")
    outside.smtp_failures = 9
    result = shop.tasks["shop.mail"].delay("ann@shop")
    world.run_until_quiet()

    world.assert_executed("shop.mail", times=4)
    world.assert_executed("shop.mail", ended="failed", saying="SmtpDown", times=1)
    assert result.state == "FAILURE"


def test_a_short_outage_is_sat_out(world, shop, outside):
    """Short pauses pass in real time as well."""
    world.start_worker("w1")
    outside.smtp_failures = 2

    assert shop.tasks["shop.ping"].delay().get() == "pong"
    world.assert_retried("shop.ping", times=2)


def test_a_reminder_waits_for_its_time(world, shop, outside, taskq_clock):
    """Not a minute early."""
    world.start_worker("w1")
    shop.tasks["shop.mail"].apply_async(["ann@shop"], countdown=3600)
    taskq_clock.advance(3590)
    assert outside.mails == []
    taskq_clock.advance(20)

    assert outside.mails == ["ann@shop"]


def test_a_worker_takes_from_its_queue_alone(world, shop, outside):
    """Mail waits until somebody comes for it."""
    world.start_worker("w1", queues=["celery"])
    shop.tasks["shop.mail"].delay("ann@shop")
    shop.tasks["shop.report"].delay()
    world.run_until_quiet()

    assert (outside.calls, outside.mails) == (["report"], [])
