"""The private servers of the test suite do what tests ask of them."""

from __future__ import annotations

import socket

import pytest

from taskq_testing.servers import RabbitMQServer, RedisServer, answers


def ask_redis(server: RedisServer, line: str) -> str:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
        link.sendall(line.encode() + b"\r\n")
        return link.recv(1000).decode()


def test_redis_is_empty_for_each_test(redis_url: str, redis_server: RedisServer) -> None:
    """The database of ``redis_url`` holds nothing."""
    assert ask_redis(redis_server, "DBSIZE") == ":0\r\n"
    assert redis_url == redis_server.url


def test_redis_comes_back_on_its_port(redis_server_of_its_own: RedisServer) -> None:
    """A killed Redis that is started again answers at the same place."""
    port = redis_server_of_its_own.port
    redis_server_of_its_own.kill()

    assert not answers(port, b"PING\r\n", b"+PONG")
    redis_server_of_its_own.start()
    assert answers(port, b"PING\r\n", b"+PONG")


def test_vhosts_are_fresh(rabbitmq_server: RabbitMQServer) -> None:
    """Two tests get two vhosts, and neither is the default one."""
    first, second = rabbitmq_server.new_vhost(), rabbitmq_server.new_vhost()

    assert len({first, second, rabbitmq_server.url}) == 3
    assert "guest" in rabbitmq_server.control("list_permissions", "-p", first.rpartition("/")[2])


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
