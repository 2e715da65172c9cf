"""A server on loopback that speaks as much of S3 as llmbench needs, and keeps objects in memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "2026-11-26T00:00:00.000Z"
HTTP_DATE = "Thu, 26 Nov 2026 00:00:00 GMT"


class S3(ThreadingHTTPServer):
    """Holds one bucket, and lists two objects a page; `fails` may refuse a request."""

    daemon_threads = True
    bucket = "bucket"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fails: Callable[[str, str], int] = lambda method, key: 0
        """The status that a request is refused with, or 0."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: S3
    protocol_version = "HTTP/1.1"
    page: ClassVar[int] = 2

    def log_message(self, *said: object) -> None:
        pass

    def handle_any(self) -> None:
        address = urlsplit(self.path)
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        query = {n: v[0] for n, v in parse_qs(address.query, keep_blank_values=True).items()}
        body = self.body()
        self.server.asked.append(f"{self.command} {key}")
        status = self.server.fails(self.command, key)
        if status:
            self.problem(status, {403: "AccessDenied", 503: "SlowDown"}[status])
        elif bucket != self.server.bucket:
            self.problem(404, "NoSuchBucket")
        elif not key:
            self.listing(query) if self.command == "GET" else self.answer(200)
        else:
            getattr(self, f"object_{self.command.lower()}")(key, body)

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_any  # noqa: N815

    def body(self) -> bytes:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return sent
        whole = b""
        while sent:
            head, _, rest = sent.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if not size:
                break
            whole, sent = whole + rest[:size], rest[size + 2 :]
        return whole

    def object_put(self, key: str, body: bytes) -> None:
        self.server.objects[key] = body
        self.answer(200, ETag='"1"')

    def object_get(self, key: str, body: bytes) -> None:
        if key not in self.server.objects:
            self.problem(404, "NoSuchKey")
            return
        content = self.server.objects[key]
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span:
            content = content[int(span[1]) : int(span[2]) + 1 if span[2] else None]
        self.answer(206 if span else 200, content, ETag='"1"', **{"Last-Modified": HTTP_DATE})

    object_head = object_get

    def object_delete(self, key: str, body: bytes) -> None:
        self.server.objects.pop(key, None)
        self.answer(204)

    def listing(self, query: dict[str, str]) -> None:
        prefix, last = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(k for k in self.server.objects if k.startswith(prefix) and k > last)
        groups: set[str] = set()
        if query.get("delimiter"):
            groups = {prefix + k[len(prefix) :].split("/")[0] + "/" for k in keys}
            groups = {g for g in groups if g not in keys and any(k.startswith(g) for k in keys)}
            keys = [k for k in keys if "/" not in k[len(prefix) :]]
        shown, more = keys[: self.page], len(keys) > self.page
        last = escape(shown[-1]) if more else ""
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" * more
        self.answer(
            200,
            (
                '<?xml version="1.0"?><ListBucketResult>'
                f"<Name>{self.server.bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
                f"<KeyCount>{len(shown)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
                + token
                + "".join(
                    f"<Contents><Key>{escape(k)}</Key><LastModified>{DATE}</LastModified>"
                    f"<ETag>&quot;1&quot;</ETag><Size>{len(self.server.objects[k])}</Size>"
                    "</Contents>"
                    for k in shown
                )
                + "".join(
                    f"<CommonPrefixes><Prefix>{escape(g)}</Prefix></CommonPrefixes>"
                    for g in sorted(groups)
                )
                + "</ListBucketResult>"
            ).encode(),
        )

    def problem(self, status: int, code: str) -> None:
        said = f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>"
        self.answer(status, said.encode())

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
