"""A hub on this machine: as much of the Hugging Face hub's HTTP interface as a download takes."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

WEIGHTS = (2).to_bytes(8, "little") + b"{}"
"""A safetensors file without a tensor."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """A model: its files by path, and what a request for it is refused with."""

    files: dict[str, bytes] = field(default_factory=dict)
    refusal: tuple[int, str] | None = None
    """HTTP status and the value of X-Error-Code."""
    retry_after: str = ""
    """What is said with a refusal of how long to wait."""
    broken: bool = False
    """Whether connections are closed without an answer."""
    only: str = ""
    """The end of the paths that a refusal is for; all where it is empty."""
    silent: str = ""
    """The end of the path of a request that is never answered."""
    cut: str = ""
    """The end of the path of a file of which only half is sent."""
    stalled: str = ""
    """The same of one in whose middle nothing more comes, with the connection left open."""


SOUND = Repo()


class Hub:
    """Serves `repos` by their id at `endpoint`, and keeps what was asked for, and by whom."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.authorized: set[str | None] = set()
        self.endpoint = ""
        self.over = threading.Event()


@contextmanager
def serve():
    """A hub that answers until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        self.hub.authorized.add(self.headers.get("Authorization"))
        parts = path.strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        repo = self.hub.repos.get(name)
        if repo is None:
            self.refuse(404, "RepoNotFound")
        elif repo.broken:
            self.close_connection = True
        elif repo.silent and path.endswith(repo.silent):
            self.hub.over.wait(30)
            self.close_connection = True
        elif repo.refusal and path.endswith(repo.only):
            self.refuse(*repo.refusal, repo.retry_after)
        elif parts[0] == "api":
            self.describe(repo, parts[4:])
        else:
            self.send_file(repo, parts[3], "/".join(parts[4:]))

    def describe(self, repo, what):
        revision = what[1] if len(what) > 1 else "main"
        if revision not in ("main", "v1", COMMIT):
            self.refuse(404, "RevisionNotFound")
        elif what[:1] == ["tree"]:
            self.send_json([_entry(path, content) for path, content in repo.files.items()])
        else:
            files = [{"rfilename": path} for path in repo.files]
            self.send_json({"id": "served/model", "sha": COMMIT, "siblings": files})

    def send_file(self, repo, revision, path):
        if path not in repo.files:
            self.refuse(404, "EntryNotFound")
        else:
            content = repo.files[path]
            etag = hashlib.sha1(content).hexdigest()
            self.send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, repo)

    def send_json(self, value):
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status, code, retry_after=""):
        headers = {"X-Error-Code": code, "X-Error-Message": f"refused: {code}"}
        if retry_after:
            headers["Retry-After"] = retry_after
        self.send(status, b"", headers)

    def send(self, status, content, headers, repo=SOUND):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = any(end and self.path.endswith(end) for end in (repo.cut, repo.stalled))
        self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self.close_connection = True
            if repo.stalled:
                self.wfile.flush()
                self.hub.over.wait(30)

    def log_message(self, *args):
        pass


def _entry(path: str, content: bytes) -> dict[str, object]:
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": path, "size": len(content), "oid": oid}
