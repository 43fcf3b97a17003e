"""Results in servers that speak plain HTTP: Consul, CouchDB, Elasticsearch, ArangoDB.

A driver (``KeyValues``) for each; what Celery's own class writes there is read, and the reverse.
No library is needed: each of them is three kinds of requests.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from taskq.errors import ImproperlyConfigured, OperationalError

TIMEOUT_S: Final = 10.0
MISSING: Final = 404
CONFLICT: Final = 409
OK: Final = range(200, 300)
# How often a document is written anew that another writer has changed meanwhile.
MOST_CONFLICTS: Final = 10
# Consul refuses sessions that live shorter or longer.
SESSION_S: Final = (10.0, 86_400.0)


class Place:
    """A URL, and connections for whoever asks."""

    def __init__(self, url: str, port: int) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "localhost", parts.port or port
        self.path = [unquote(part) for part in parts.path.split("/") if part]
        self.secure = parts.scheme.endswith("+https") or parts.scheme == "https"
        self._login = ""
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._login = base64.b64encode(pair.encode()).decode()
        self._idle: list[http.client.HTTPConnection] = []
        self._pid = os.getpid()
        at = f"{parts.username}:**@" if parts.username else ""
        self.name = f"{parts.scheme}://{at}{self.host}:{self.port}{parts.path}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Send one request; returns status and body."""
        sent = {"Content-Type": "application/json", **headers}
        if self._login:
            sent["Authorization"] = f"Basic {self._login}"
        link = self._taken()
        try:
            link.request(method, path, body, sent)
            answer = link.getresponse()
            found = answer.status, answer.read()
        except BaseException:
            # An answer may be under way: nobody else may read it as theirs.
            link.close()
            raise
        self._idle.append(link)
        return found

    def _taken(self) -> http.client.HTTPConnection:
        """Return a connection that nobody else uses."""
        if self._pid != os.getpid():
            # The parent's connections are the parent's.
            self._pid, self._idle = os.getpid(), []
        try:
            return self._idle.pop()
        except IndexError:
            kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
            return kind(self.host, self.port, timeout=TIMEOUT_S)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()


class HttpValues:
    """What the drivers have in common."""

    port: int

    def __init__(self, url: str) -> None:
        self.place = Place(url, self.port)

    @property
    def name(self) -> str:
        """The URL; passwords are starred."""
        return self.place.name

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """Out of reach, or an answer that was cut off."""
        return (OSError, http.client.HTTPException)

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read, one by one."""
        return [self.get(key) for key in keys]

    def get(self, key: str) -> bytes | None:
        """Read one."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""
        self.place.close()

    def expect(self, answer: tuple[int, bytes], *also: int) -> bytes:
        """Return the body of an answer that says that all is well."""
        status, body = answer
        if status not in OK and status not in also:
            raise OperationalError(f"{self.name}: HTTP {status}: {body[:200].decode('latin-1')}")
        return body

    def found(self, answer: tuple[int, bytes]) -> Any:
        """Return the document of an answer; None where there is none."""
        body = self.expect(answer, MISSING)
        return None if answer[0] == MISSING else json.loads(body)


class ConsulValues(HttpValues):
    """``consul://host:8500/path``.  A value lives as long as its session."""

    port = 8500

    def get(self, key: str) -> bytes | None:
        """Read what is there now, not what some server remembers."""
        answer = self.place.ask("GET", f"{self._path(key)}?raw&consistent")
        body = self.expect(answer, MISSING)
        return None if answer[0] == MISSING else body

    def put(self, key: str, value: bytes, life_s: float | None) -> None:
        """Write, under a session that deletes it when its time is over."""
        # A key that is held by another session is let go of first.
        self.delete([key])
        query = ""
        if life_s:
            least, most = SESSION_S
            ttl = f"{min(max(life_s, least), most):.0f}s"
            told = json.dumps({"Name": key, "Behavior": "delete", "TTL": ttl, "LockDelay": "0s"})
            made = self.expect(self.place.ask("PUT", "/v1/session/create", told.encode()))
            query = f"?acquire={json.loads(made)['ID']}"
        self.expect(self.place.ask("PUT", f"{self._path(key)}{query}", value))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self.expect(self.place.ask("DELETE", self._path(key)), MISSING)

    def _path(self, key: str) -> str:
        return "/v1/kv/" + "/".join(quote(part, safe="") for part in (*self.place.path, key))


class CouchValues(HttpValues):
    """``couchdb://user:password@host:5984/database``: a document for each key."""

    port = 5984

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._database = "/" + quote(self.place.path[0] if self.place.path else "default", safe="")
        self._made = False

    def get(self, key: str) -> bytes | None:
        """Read."""
        document = self.found(self._ask("GET", key))
        return None if document is None else str(document["value"]).encode()

    def put(self, key: str, value: bytes, life_s: float | None) -> None:  # noqa: ARG002 - nothing expires
        """Write, on top of the revision that is there."""
        for _ in range(MOST_CONFLICTS):
            known = self.found(self._ask("GET", key))
            document = {"_id": key, "value": value.decode()}
            if known is not None:
                document["_rev"] = known["_rev"]
            answer = self._ask("PUT", key, json.dumps(document).encode())
            if answer[0] != CONFLICT:
                self.expect(answer)
                return
        raise OperationalError(f"{self.name}: others write {key} all the time")

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            known = self.found(self._ask("GET", key))
            if known is not None:
                self.expect(self._ask("DELETE", key, None, rev=known["_rev"]), MISSING, CONFLICT)

    def _ask(
        self, method: str, key: str, body: bytes | None = None, **query: str
    ) -> tuple[int, bytes]:
        if not self._made:
            self.expect(self.place.ask("PUT", self._database), 412)  # 412: it is there
            self._made = True
        path = f"{self._database}/{quote(key, safe='')}"
        return self.place.ask(method, f"{path}?{urlencode(query)}" if query else path, body)


class ElasticValues(HttpValues):
    """``elasticsearch://host:9200/index``: a document for each key."""

    port = 9200

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._index = quote(self.place.path[0] if self.place.path else "celery", safe="")

    def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read, in one request."""
        if not keys:
            return []
        asked = json.dumps({"ids": list(keys)}).encode()
        answer = self.found(self.place.ask("POST", f"/{self._index}/_mget", asked))
        documents = () if answer is None else answer["docs"]
        found = {each["_id"]: each["_source"] for each in documents if each.get("found")}
        return [_elastic_value(found[key]) if key in found else None for key in keys]

    def put(self, key: str, value: bytes, life_s: float | None) -> None:  # noqa: ARG002 - nothing expires
        """Write; who reads next sees it."""
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        document = {"result": value.decode(), "@timestamp": now.replace("+00:00", "Z")}
        self.expect(self.place.ask("PUT", self._path(key), json.dumps(document).encode()))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            self.expect(self.place.ask("DELETE", self._path(key)), MISSING)

    def _path(self, key: str) -> str:
        return f"/{self._index}/_doc/{quote(key, safe='')}"


def _elastic_value(source: Mapping[str, Any]) -> bytes:
    value = source["result"]
    # Celery may have stored the meta as a document (elasticsearch_save_meta_as_text).
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class ArangoValues(HttpValues):
    """``arangodb://user:password@host:8529/database/collection``: a document for each key."""

    port = 8529

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if len(self.place.path) != 2:  # noqa: PLR2004 - its two parts
            raise ImproperlyConfigured(
                f"result_backend {self.name}: write arangodb://host:8529/database/collection"
            )
        database, collection = (quote(part, safe="") for part in self.place.path)
        self._path = f"/_db/{database}/_api/document/{collection}"

    def get(self, key: str) -> bytes | None:
        """Read."""
        document = self.found(self.place.ask("GET", f"{self._path}/{quote(key, safe='')}"))
        return None if document is None else str(document["task"]).encode()

    def put(self, key: str, value: bytes, life_s: float | None) -> None:  # noqa: ARG002 - nothing expires
        """Write, in the place of what is there."""
        document = json.dumps({"_key": key, "task": value.decode()}).encode()
        self.expect(self.place.ask("POST", f"{self._path}?overwriteMode=replace", document))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete."""
        for key in keys:
            answer = self.place.ask("DELETE", f"{self._path}/{quote(key, safe='')}")
            self.expect(answer, MISSING)
