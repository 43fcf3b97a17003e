"""The parts of Consul, CouchDB, Elasticsearch and ArangoDB that a result store asks, on a socket.

Written after their documentation, for servers that are too large to start here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, bytes]


class Fake(BaseHTTPRequestHandler):
    """One kind of server; a subclass of its own for each test."""

    protocol_version = "HTTP/1.1"
    lock: ClassVar[Any]
    kept: ClassVar[dict[str, Any]]
    sessions: ClassVar[dict[str, float]]

    def answer(self, method: str, path: list[str], query: dict[str, str], body: bytes) -> Answer:
        raise NotImplementedError

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = [unquote(part) for part in parts.path.split("/") if part]
        query = {name: found[-1] for name, found in parse_qs(parts.query, True).items()}
        with self.lock:
            status, answer = self.answer(self.command, path, query, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the library's names

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


def said(status: int, value: Any) -> Answer:
    return status, json.dumps(value).encode()


class FakeConsul(Fake):
    """``/v1/kv`` and ``/v1/session``; a session ends when its time is over."""

    def answer(self, method: str, path: list[str], query: dict[str, str], body: bytes) -> Answer:
        if path[:2] == ["v1", "session"]:
            session = str(len(self.sessions))
            self.sessions[session] = time.monotonic() + float(json.loads(body)["TTL"].rstrip("s"))
            return said(200, {"ID": session})
        key = "/".join(path[2:])
        value, session = self.kept.get(key, (None, None))
        if session is not None and self.sessions[session] <= time.monotonic():
            del self.kept[key]
            value = None
        if method == "PUT":
            if value is not None and session is not None and query.get("acquire") != session:
                return said(200, False)
            self.kept[key] = (body, query.get("acquire"))
            return said(200, True)
        if method == "DELETE":
            self.kept.pop(key, None)
            return said(200, True)
        return (404, b"") if value is None else (200, value)


class FakeCouch(Fake):
    """Documents with revisions; who writes must name the one that is there."""

    def answer(self, method: str, path: list[str], query: dict[str, str], body: bytes) -> Answer:
        if len(path) == 1:
            there = path[0] in self.kept
            self.kept[path[0]] = True
            return said(412 if there else 201, {})
        key = "/".join(path)
        known = self.kept.get(key)
        if method == "GET":
            return said(404, {}) if known is None else said(200, known)
        document = json.loads(body) if body else {}
        revision = query.get("rev") or document.get("_rev")
        if known is not None and revision != known["_rev"]:
            return said(409, {"error": "conflict"})
        if method == "DELETE":
            del self.kept[key]
            return said(200, {})
        self.kept[key] = {**document, "_rev": f"{int((revision or '0').split('-')[0]) + 1}-x"}
        return said(201, {})


class FakeElastic(Fake):
    """``_doc`` and ``_mget``."""

    def answer(self, method: str, path: list[str], _query: dict[str, str], body: bytes) -> Answer:
        index, kind, *rest = path
        if kind == "_mget":
            ids = json.loads(body)["ids"]
            found = [(each, self.kept.get(f"{index}/{each}")) for each in ids]
            return said(
                200,
                {
                    "docs": [
                        {"_id": each, "found": source is not None, "_source": source}
                        for each, source in found
                    ]
                },
            )
        key = f"{index}/{rest[0]}"
        if method == "DELETE":
            return said(200 if self.kept.pop(key, None) else 404, {})
        self.kept[key] = json.loads(body)
        return said(201, {"result": "created"})


class FakeArango(Fake):
    """``_api/document``."""

    def answer(self, method: str, path: list[str], query: dict[str, str], body: bytes) -> Answer:
        assert path[:4] == ["_db", "results", "_api", "document"], path
        if method == "POST":
            document = json.loads(body)
            key = document["_key"]
            if key in self.kept and query.get("overwriteMode") != "replace":
                return said(409, {"error": True})
            self.kept[key] = document
            return said(201, {"_key": key})
        key = path[5]
        if method == "DELETE":
            return said(200 if self.kept.pop(key, None) else 404, {})
        return said(200, self.kept[key]) if key in self.kept else said(404, {"error": True})


@contextmanager
def serving(kind: type[Fake]) -> Iterator[int]:
    """Run an empty server; yields its port."""
    state: dict[str, Any] = {"lock": threading.Lock(), "kept": {}, "sessions": {}}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(kind.__name__, (kind,), state))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
