"""Fetching: whole, checked, or one error that names the address. All servers are on this machine."""

import errno
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from skymill.errors import DataError
from skymill.ingest import fetch as module
from skymill.ingest.fetch import TRIES, fetch, fetch_file
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import read_record

BODY = bytes(range(256)) * 10_000
CHECKSUM = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: how to fail stands in the address."""

    requests: list[str]
    agents: set[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.agents.add(self.headers["User-Agent"])
        action = re.match(r"/(\w+)", self.path)[1]
        getattr(self, action)()

    def send(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def whole(self) -> None:
        self.send(200, BODY, len(BODY))

    def unannounced(self) -> None:
        self.send(200, BODY)

    def moved(self) -> None:
        self.send(302, length=0, Location="/whole")

    def absent(self) -> None:
        self.send(404, b"<html>not here</html>", 21)

    def busy(self) -> None:
        self.send(503, length=0)

    def truncated(self) -> None:
        self.send(200, BODY[:100_000], len(BODY))

    def recovering(self) -> None:
        """Fails but the third time."""
        (self.whole if len(self.requests) == TRIES else self.truncated)()

    def silent(self) -> None:
        threading.Event().wait(1.0)

    def garbled(self) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    handler = type("OneTest", (Handler,), {"requests": [], "agents": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(server) -> Callable[[str], str]:
    return lambda path: f"http://127.0.0.1:{server.server_port}/{path}"


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "new" / "frame.fits.bz2"


def left(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir()) if output.parent.exists() else []


@pytest.mark.parametrize("path", ["whole/frame.fits.bz2", "unannounced", "moved", "whole?plate=1&a=b"])
@pytest.mark.parametrize("checksum", [None, CHECKSUM, CHECKSUM.upper()])
def test_a_file_arrives(url, output, path, checksum):
    assert fetch(url(path), output, checksum) == CHECKSUM

    assert output.read_bytes() == BODY
    assert left(output) == ["frame.fits.bz2"]


def test_it_says_who_is_asking(server, url, output):
    fetch(url("whole"), output)

    (agent,) = server.RequestHandlerClass.agents
    assert agent.startswith("skymill/")


def test_a_missing_file_is_asked_for_once(server, url, output):
    with pytest.raises(DataError, match=r"absent: expected a file, found the answer 404 Not Found") as caught:
        fetch(url("absent"), output)

    assert url("absent") in str(caught.value)
    assert len(server.RequestHandlerClass.requests) == 1
    assert left(output) == []


def test_a_wrong_checksum_names_both(server, url, output):
    with pytest.raises(DataError) as caught:
        fetch(url("whole"), output, "0" * 64)

    message = str(caught.value)
    assert url("whole") in message
    assert "0" * 64 in message
    assert CHECKSUM in message
    # Another try would bring the same file.
    assert len(server.RequestHandlerClass.requests) == 1
    assert left(output) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("busy", "the answer 503"),
        ("truncated", f"a transfer that broke off after 100000 of {len(BODY)} bytes"),
        ("garbled", "no answer"),
    ],
)
def test_trouble_that_may_pass_is_tried_again_and_then_named(server, url, output, path, reason):
    with pytest.raises(
        DataError, match=f"expected a file that can be fetched, found {reason}.*, 3 times"
    ) as caught:
        fetch(url(path), output)

    assert url(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(server.RequestHandlerClass.requests) == TRIES
    assert left(output) == []


def test_trouble_that_passes(server, url, output):
    assert fetch(url("recovering"), output) == CHECKSUM
    assert len(server.RequestHandlerClass.requests) == TRIES


def test_pauses_grow(url, output, monkeypatch):
    pauses = []
    monkeypatch.setattr(module, "WAIT_S", 2.0)
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    with pytest.raises(DataError):
        fetch(url("busy"), output)

    assert pauses == [2.0, 6.0]


def test_nobody_listens(output, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/frame.fits"
        with pytest.raises(DataError, match=r"no connection \(.*refused.*\), 3 times.*data_dir") as caught:
            fetch(address, output)

    assert str(caught.value).startswith(address)
    assert left(output) == []


def test_a_server_that_says_nothing(url, output, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "TRIES", 1)
    with pytest.raises(DataError, match="timed out"):
        fetch(url("silent"), output)

    assert left(output) == []


def test_a_failure_leaves_the_old_file(url, output):
    output.parent.mkdir()
    output.write_text("old")
    with pytest.raises(DataError):
        fetch(url("truncated"), output)

    assert output.read_text() == "old"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/data/frame.fits"])
def test_other_schemes_are_refused(output, address):
    with pytest.raises(DataError, match=f"{address}: expected an http or https address"):
        fetch(address, output)


def test_a_full_disk_is_named_as_such(url, output):
    output.parent.mkdir()
    (output.parent / f".partial-{os.getpid()}-{output.name}").symlink_to("/dev/full")
    with pytest.raises(DataError, match=os.strerror(errno.ENOSPC)) as caught:
        fetch(url("whole"), output)

    assert str(output) in str(caught.value)


def test_the_stage_leaves_a_record(url, output):
    recipe = Recipe("fetch", output.name, {"url": url("whole"), "sha256": CHECKSUM}).to_dict()
    fetch_file(recipe, output)
    record = read_record(output.parent)

    assert output.read_bytes() == BODY
    assert record["outputs"] == {output.name: CHECKSUM}
    assert record["rows"] == 1
    assert record["extra"] == {"url": url("whole"), "bytes": len(BODY)}


def test_the_stage_leaves_nothing_when_it_fails(url, output):
    recipe = Recipe("fetch", output.name, {"url": url("whole"), "sha256": "0" * 64}).to_dict()
    with pytest.raises(DataError):
        fetch_file(recipe, output)

    assert left(output) == []
