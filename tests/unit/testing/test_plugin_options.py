"""Options, fixtures and the marker of the plugin, in runs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.testing.test_plugin import run

SHOP = """
import pytest
from taskq import TaskQ, chord

@pytest.fixture
def shop():
    app = TaskQ("shop", set_as_current=False)

    @app.task(name="price", bind=True, max_retries=3)
    def price(self, what):
        if what == "late":
            raise self.retry(countdown=0.1)
        if what == "very late":
            raise self.retry(countdown=3600)
        return what

    @app.task(name="total")
    def total(prices):
        return len(prices)

    app.price, app.total = price, total
    yield app
    app.close()
"""

TESTS = (
    SHOP
    + """
def test_chord(taskq_world, shop):
    world = taskq_world(shop)
    world.start_worker("w1", queues=["celery", "mail"])
    result = chord([shop.price.s("a"), shop.price.s("b").set(queue="mail")])(shop.total.s())
    assert result.get() == 2
    world.run_until_quiet()
    world.assert_chorded([shop.price.s("a"), "price"], "total")
    world.assert_published("price", queue="mail", times=1)
    world.assert_executed("total", args=[["a", "b"]], ended="succeeded", times=1)

def test_retries(taskq_world, shop):
    world = taskq_world(shop)
    world.start_worker("w1")
    shop.price.delay("late")
    world.run_until_quiet()
    world.assert_retried("price", delays_s=[0.1, 0.1, 0.1], within_s=0.09)

def test_drain(taskq_world, shop):
    world = taskq_world(shop)
    shop.price.delay("a")
    shop.price.apply_async(["later"], countdown=3600)
    assert world.drain().succeeded == 1

def test_an_hour(taskq_world, shop):
    world = taskq_world(shop)
    world.start_worker("w1")
    result = shop.price.delay("very late")
    with pytest.raises(Exception):
        result.get()

def test_death(taskq_world, shop):
    world = taskq_world(shop)
    world.start_worker("w1")
    world.kill("w1")

def test_a_profile(taskq_world, shop):
    taskq_world(shop, broker="rabbitmq")
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -rs\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def test_a_test_runs_on_the_model(folder: Path) -> None:
    """Everything can be had there."""
    assert "6 passed" in run(folder).stdout


def test_the_same_test_runs_on_a_fake_redis(folder: Path) -> None:
    """What needs virtual time or faults is skipped, with the reason."""
    told = run(folder, "--taskq-broker", "fakeredis").stdout

    assert "3 passed, 3 skipped" in told
    assert "not on this transport (fakeredis): 'price' is due in 3600 s" in told
    assert "not on this transport (fakeredis): World.kill is of the simulated world" in told
    assert "broker of taskq_world() is of the simulated world" in told


def test_the_same_test_runs_on_a_real_redis(folder: Path, redis_url: str) -> None:
    """By the option alone; here on a server that runs already."""
    told = run(folder, "--taskq-broker", "redis", "--taskq-redis-url", redis_url).stdout

    assert "3 passed, 3 skipped" in told
    assert "3 passed, 3 skipped" in run(folder, "--taskq-broker", redis_url).stdout


def test_the_same_test_runs_on_a_real_rabbitmq(folder: Path, amqp_url: str) -> None:
    """The same."""
    assert "3 passed, 3 skipped" in run(folder, "--taskq-broker", amqp_url).stdout


def test_a_transport_that_does_not_exist(folder: Path) -> None:
    """The nearest is named."""
    told = run(folder, "--taskq-broker", "fakeredi").stdout

    assert "did you mean 'fakeredis'" in told


def test_each_test_runs_with_many_seeds(tmp_path: Path) -> None:
    """As one test; the first seed that fails is reported, and no seed after it is tried."""
    (tmp_path / "test_it.py").write_text(
        "seeds = []\n"
        "def test_it(taskq_world, taskq_app, taskq_seed):\n"
        "    world = taskq_world(taskq_app)\n"
        "    seeds.append((world.seed, taskq_seed))\n"
        "    assert taskq_seed != 7\n"
        "def test_they_were_tried():\n"
        "    assert seeds == [(each, each) for each in range(4, 8)]\n"
    )
    told = run(tmp_path, "--taskq-seed", "4", "--taskq-seeds", "10").stdout

    assert "1 failed, 1 passed" in told
    assert "repeat with: pytest 'test_it.py::test_it' --taskq-seed 7" in told
    assert "2 passed" not in told


def test_fixtures_of_wider_scopes_are_set_up_once_for_all_seeds(tmp_path: Path) -> None:
    """Those of the test are made anew for each."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "made = []\n"
        "@pytest.fixture(scope='module')\n"
        "def wide():\n"
        "    made.append('wide')\n"
        "    yield\n"
        "    made.append('gone')\n"
        "@pytest.fixture\n"
        "def narrow():\n"
        "    made.append('narrow')\n"
        "def test_it(taskq_world, wide, narrow): ...\n"
        "def test_after(wide):\n"
        "    assert made == ['wide', 'narrow', 'narrow', 'narrow']\n"
    )

    assert "2 passed" in run(tmp_path, "--taskq-seeds", "3").stdout


MARKED: dict[str, tuple[str, str]] = {
    "seed": ("seed=9", "1 passed"),
    "only": ("seed=9, only='redis'", "not on this transport (model): it is for redis"),
    "why": ("only=('amqp', 'redis'), why='confirms'", "not on this transport (model): confirms"),
    "unknown": ("sed=9", "the marker taskq has no 'sed'; did you mean 'seed'?"),
}


@pytest.mark.parametrize("case", MARKED)
def test_the_marker(tmp_path: Path, case: str) -> None:
    """It says the seed, the transports, and why."""
    said, expected = MARKED[case]
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        f"@pytest.mark.taskq({said})\n"
        "def test_it(taskq_world, taskq_app):\n"
        "    assert taskq_world(taskq_app).seed == 9\n"
    )

    done = run(tmp_path, "--strict-markers", "-rs")

    assert expected in done.stdout + done.stderr


def test_the_clock_is_that_of_the_world(taskq_world: Any, taskq_app: Any, taskq_clock: Any) -> None:
    """It can be asked and moved; what is due meanwhile happens."""
    from datetime import UTC, datetime

    world = taskq_world(taskq_app, start="2030-01-01T00:00:00Z")

    @taskq_app.task(name="nap")
    def nap() -> None: ...

    world.start_worker("w1")
    nap.apply_async(countdown=600)
    taskq_clock.advance(599)
    world.assert_not_executed("nap")
    taskq_clock.move_to(datetime(2030, 1, 1, 0, 10, 1, tzinfo=UTC))

    world.assert_executed("nap", times=1)
    assert taskq_clock.now() == datetime(2030, 1, 1, 0, 10, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="is over: it is 2030-01-01T00:10:01"):
        taskq_clock.move_to(datetime(2030, 1, 1, tzinfo=UTC))


def test_a_clock_wants_a_world(taskq_clock: Any) -> None:
    """It says how to make one."""
    with pytest.raises(RuntimeError, match=r"make one first: taskq_world\(app\)"):
        taskq_clock.now()


def test_eager_lasts_as_long_as_the_test(tmp_path: Path) -> None:
    """Afterwards the app sends again."""
    (tmp_path / "test_it.py").write_text(
        "from taskq import TaskQ\n"
        "app = TaskQ('eager', set_as_current=False)\n"
        "@app.task\n"
        "def add(x, y): return x + y\n"
        "def test_it(taskq_eager):\n"
        "    taskq_eager(app)\n"
        "    assert add.delay(1, 2).get() == 3\n"
        "def test_after():\n"
        "    assert not app.conf.task_always_eager\n"
    )

    assert "2 passed" in run(tmp_path).stdout
