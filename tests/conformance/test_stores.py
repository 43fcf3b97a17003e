"""The promises of a result store, kept by each of them, and by the model of the simulation."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import fakeredis
import mongomock
import moto
import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.serializers import KombuCodec
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.adapters.results.amazon import DynamoValues, S3Values
from taskq.adapters.results.cache import MemoryStore
from taskq.adapters.results.database import DatabaseStore
from taskq.adapters.results.database_rows import Rows
from taskq.adapters.results.filesystem import FileValues
from taskq.adapters.results.keyvalue import KeyValues, KeyValueStore
from taskq.adapters.results.keyvalue_rests import RestingStore
from taskq.adapters.results.memcached import MemcachedValues
from taskq.adapters.results.mongodb import MongoStore
from taskq.adapters.results.over_http import (
    ArangoValues,
    ConsulValues,
    CouchValues,
    ElasticValues,
)
from taskq.adapters.results.packing import Packing
from taskq.adapters.results.redis import RedisStore
from taskq.adapters.results.rpc import RpcStore
from taskq.ports import Clock, Place, Reading, ResultStore
from taskq_testing.conformance.store import LIFE_S, StoreSuite, StoreTraits
from taskq_testing.sim.clock import Time
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.store import StoreEnd, StoreModel
from taskq_testing.sim.trace import Trace
from tests.conformance.http_stores import (
    FakeArango,
    FakeConsul,
    FakeCouch,
    FakeElastic,
    serving,
)

NUMBERS = itertools.count(1)
RUN = SystemRandomness().uuid()[:8]  # a given server keeps what earlier runs left


@dataclass
class Rig:
    """Stores that a function makes."""

    make: Callable[[], ResultStore]
    traits: StoreTraits = field(default_factory=StoreTraits)
    clock: Clock = field(default_factory=SystemClock)
    made: list[ResultStore] = field(default_factory=list)

    def writer(self) -> ResultStore:
        self.made.append(self.make())
        return self.made[-1]

    reader = writer

    def reply_to(self) -> str | None:
        return None

    def unique(self, name: str) -> str:
        return f"{name}-{RUN}-{next(NUMBERS)}"

    def close(self) -> None:
        for store in self.made:
            store.close()


class TestMemory(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = Rig(lambda: MemoryStore("cache+memory://conformance", clock=SystemClock()))
        yield rig
        rig.close()


def redis_rig(url: str, **options: Any) -> Rig:
    return Rig(lambda: RedisStore(url, clock=SystemClock(), **options))


def fake_redis() -> dict[str, Any]:
    server = fakeredis.FakeServer(version=(7,))
    return {"client_factory": lambda: fakeredis.FakeRedis(server=server)}


class TestRedis(StoreSuite):
    @pytest.fixture
    def rig(self, redis_url: str) -> Iterator[Rig]:
        rig = redis_rig(redis_url)
        yield rig
        rig.close()


class TestRedisOnFake(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = redis_rig("redis://fake:6379/0", **fake_redis())
        yield rig
        rig.close()


class TestRedisCompressedWithoutItsBroker(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        options = {**fake_redis(), "packing": Packing("gzip")}
        rig = Rig(lambda: RedisStore("redis://fake:6379/0", clock=SystemClock(), **options))
        yield rig
        rig.close()


# -- stores that are asked ------------------------------------------------------------------------

ASKED = StoreTraits(chords=False, rests=False, tells=False)
SWEPT = replace(ASKED, expires=False, sweeps=True)


def key_value_rig(make: Callable[[], KeyValues], traits: StoreTraits) -> Rig:
    kind = RestingStore if traits.rests else KeyValueStore

    def store() -> ResultStore:
        return kind(make(), clock=SystemClock(), expires_s=LIFE_S)

    return Rig(store, traits)


class TestFilesystem(StoreSuite):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        rig = key_value_rig(lambda: FileValues(f"file://{tmp_path}"), replace(SWEPT, rests=True))
        yield rig
        rig.close()


class TestFilesystemCompressed(StoreSuite):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        def make() -> ResultStore:
            values = FileValues(f"file://{tmp_path}")
            packing = Packing("gzip")
            return KeyValueStore(values, clock=SystemClock(), packing=packing, expires_s=LIFE_S)

        rig = Rig(make, SWEPT)
        yield rig
        rig.close()


class TestMemcached(StoreSuite):
    @pytest.fixture
    def rig(self, memcached_url: str) -> Iterator[Rig]:
        rig = key_value_rig(lambda: MemcachedValues(memcached_url), replace(ASKED, rests=True))
        yield rig
        rig.close()


def database_rig(url: str) -> Rig:
    def make() -> ResultStore:
        rows = Rows(KombuCodec(), "json")
        return DatabaseStore(url, clock=SystemClock(), rows=rows, expires_s=LIFE_S)

    return Rig(make, replace(SWEPT, exact=False))


class TestDatabaseOnSqlite(StoreSuite):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        rig = database_rig(f"db+sqlite:///{tmp_path}/results.db")
        yield rig
        rig.close()


class TestDatabaseOnPostgres(StoreSuite):
    @pytest.fixture
    def rig(self, postgres_url: str) -> Iterator[Rig]:
        rig = database_rig(f"db+{postgres_url}")
        yield rig
        rig.close()


class TestMongo(StoreSuite):
    """On a model of pymongo in this process."""

    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        client = mongomock.MongoClient()

        def make() -> ResultStore:
            rows = Rows(KombuCodec(), "json")
            return MongoStore(
                "mongodb://localhost:27017/results",
                clock=SystemClock(),
                rows=rows,
                expires_s=LIFE_S,
                client=lambda *_args, **_options: client,
            )

        rig = Rig(make, replace(SWEPT, exact=False))
        yield rig
        rig.close()


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model of Amazon in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield


class TestS3(StoreSuite):
    @pytest.fixture
    def rig(self, amazon: None) -> Iterator[Rig]:
        boto3.client("s3").create_bucket(Bucket="results")
        traits = replace(ASKED, expires=False)
        rig = key_value_rig(lambda: S3Values("results", base_path="of/tests/"), traits)
        yield rig
        rig.close()


class TestDynamo(StoreSuite):
    @pytest.fixture
    def rig(self, amazon: None) -> Iterator[Rig]:
        rig = key_value_rig(
            lambda: DynamoValues("dynamodb://@us-east-1/results"), replace(ASKED, rests=True)
        )
        yield rig
        rig.close()


class TestConsul(StoreSuite):
    """Its sessions live for ten seconds at least; a test that waits for less sees no end."""

    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with serving(FakeConsul) as port:
            url = f"consul://127.0.0.1:{port}/of/tests"
            rig = key_value_rig(lambda: ConsulValues(url), replace(ASKED, expires=False))
            yield rig
            rig.close()


class TestCouch(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with serving(FakeCouch) as port:
            url = f"couchdb://user:secret@127.0.0.1:{port}/results"
            rig = key_value_rig(lambda: CouchValues(url), replace(ASKED, expires=False))
            yield rig
            rig.close()


class TestElastic(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with serving(FakeElastic) as port:
            url = f"elasticsearch://127.0.0.1:{port}/results"
            rig = key_value_rig(lambda: ElasticValues(url), replace(ASKED, expires=False))
            yield rig
            rig.close()


class TestArango(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        with serving(FakeArango) as port:
            url = f"arangodb://127.0.0.1:{port}/results/tasks"
            rig = key_value_rig(lambda: ArangoValues(url), replace(ASKED, expires=False))
            yield rig
            rig.close()


# -- stores that answer by message -----------------------------------------------------------------


class Oids(threading.local):
    """A reply queue for each thread."""

    def __init__(self) -> None:
        self.oid = SystemRandomness().uuid()


@dataclass
class RpcRig(Rig):
    """Stores that answer by message."""

    oids: Oids = field(default_factory=Oids)
    brokers: list[KombuBroker] = field(default_factory=list)

    def close(self) -> None:
        super().close()
        for broker in self.brokers:
            broker.close()

    def reader(self) -> ResultStore:
        store = self.writer()
        assert isinstance(store, RpcStore)
        store.expect(self.oids.oid)
        return store

    def reply_to(self) -> str:
        return self.oids.oid


def rpc_rig(url: str) -> RpcRig:
    oids = Oids()
    brokers: list[KombuBroker] = []

    def make() -> ResultStore:
        broker = KombuBroker(
            url,
            clock=SystemClock(),
            randomness=SystemRandomness(),
            place=Place("here", 1),
        )
        brokers.append(broker)
        return RpcStore(broker, oid=lambda: oids.oid, clock=SystemClock())

    traits = StoreTraits(groups=False, chords=False, rests=False, shared=False)
    return RpcRig(make, traits, oids=oids, brokers=brokers)


class TestRpcOnMemory(StoreSuite):
    @pytest.fixture
    def rig(self) -> Iterator[Rig]:
        rig = rpc_rig("memory://")
        yield rig
        rig.close()


class TestRpcOnRabbitMQ(StoreSuite):
    @pytest.fixture
    def rig(self, amqp_url: str) -> Iterator[Rig]:
        rig = rpc_rig(amqp_url)
        yield rig
        rig.close()


class WorldClock:
    """The time of a simulated world."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def read(self) -> Reading:
        return Reading(self._hands.now_s(), self._hands.now_s())

    def sleep(self, seconds: float) -> None:
        self._hands.sleep(seconds)


class TestModel(StoreSuite):
    @pytest.fixture
    def rig(self) -> Rig:
        time = Time()
        scheduler, trace = Scheduler(time, Choices(0)), Trace()
        model = StoreModel(lambda: time.now_s)

        def make() -> ResultStore:
            hands = Hands("node", scheduler, trace)
            return StoreEnd(model, hands, "rabbitmq", lambda _awaited: scheduler.sleep(0.01))

        return Rig(make, StoreTraits(threads=False), WorldClock(Hands("c", scheduler, trace)))
