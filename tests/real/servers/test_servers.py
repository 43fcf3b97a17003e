"""The private servers of the test suite do what tests ask of them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from taskq_testing.servers import RabbitMQServer, RedisServer, answers


def ask_redis(server: RedisServer, line: str) -> str:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
        link.sendall(line.encode() + b"\r\n")
        return link.recv(1000).decode()


def test_redis_is_emptied_between_tests(redis_server_of_its_own: RedisServer) -> None:
    """What one test left is gone for the next."""
    server = redis_server_of_its_own
    ask_redis(server, "SET left over")
    server.empty()

    assert ask_redis(server, "DBSIZE") == ":0\r\n"


def test_redis_comes_back_on_its_port(redis_server_of_its_own: RedisServer) -> None:
    """A killed Redis that is started again answers at the same place."""
    port = redis_server_of_its_own.port
    redis_server_of_its_own.kill()

    assert not answers(port, b"PING\r\n", b"+PONG")
    redis_server_of_its_own.start()
    assert answers(port, b"PING\r\n", b"+PONG")


def test_vhosts_are_fresh(rabbitmq_server_of_its_own: RabbitMQServer) -> None:
    """Two tests get two vhosts, and neither is the default one."""
    server = rabbitmq_server_of_its_own
    first, second = server.new_vhost(), server.new_vhost()

    assert len({first, second, server.url}) == 3
    assert "guest" in server.control("list_permissions", "-p", first.rpartition("/")[2])


TRY = """
def test_one(redis_server): pass
def test_two(rabbitmq_server): pass
"""


@pytest.fixture
def without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with two tests that want servers, on a machine that has none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    (tmp_path / "conftest.py").write_text(
        'pytest_plugins = ("taskq_testing.server_fixtures",)\n'
        "from taskq_testing import servers\n"
        "servers.RABBITMQ_FOLDERS = ()\n"
    )
    (tmp_path / "test_try.py").write_text(TRY)
    return tmp_path


def run_pytest(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_missing_program_skips_with_one_line(
    without_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install."""
    monkeypatch.delenv("TASKQ_REQUIRE_SERVERS", raising=False)
    said = run_pytest(without_programs)

    assert "2 skipped" in said
    assert "redis-server is not installed: apt install redis-server" in said
    assert "rabbitmq-server is not installed: apt install rabbitmq-server" in said


def test_a_missing_program_fails_where_servers_are_required(
    without_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a machine that should test everything cannot leave something out."""
    monkeypatch.setenv("TASKQ_REQUIRE_SERVERS", "1")
    said = run_pytest(without_programs)

    assert "2 errors" in said
    assert "TASKQ_REQUIRE_SERVERS=1, but redis-server is not installed" in said


def test_given_servers_need_no_program(without_programs: Path) -> None:
    """The options name what somebody else runs."""
    said = run_pytest(without_programs, "--taskq-redis-url=redis://x", "--taskq-amqp-url=amqp://y")

    assert "2 passed" in said


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_rabbitmq_comes_back_with_its_data(
    rabbitmq_server_of_its_own: RabbitMQServer, how: str
) -> None:
    """A RabbitMQ that was stopped or killed keeps port and vhosts when it is started again."""
    server = rabbitmq_server_of_its_own
    vhost = server.new_vhost().rpartition("/")[2]
    getattr(server, how)()
    assert not server.running

    server.start()

    assert vhost in server.control("list_vhosts")
