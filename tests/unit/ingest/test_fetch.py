"""Fetching: whole, checked, or one error that names the address. All servers are on this machine."""

import errno
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote
from urllib.request import Request

import pytest

from skymill.errors import DataError
from skymill.ingest import fetch as module
from skymill.ingest.fetch import TRIES, fetch, fetch_file
from skymill.ingest.http import Redirects
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


class Stranger(Handler):
    """Answers as a server should not."""

    def length(self) -> None:
        """Content-Length as the address says."""
        self.send(200, BODY, **{"Content-Length": unquote(self.path.partition("?")[2])})

    def chain(self) -> None:
        number = int(self.path.partition("?")[2])
        self.send(302, length=0, Location=f"/chain?{number - 1}" if number else "/whole")

    def circle(self) -> None:
        self.send(307, length=0, Location=self.path)

    def elsewhere(self) -> None:
        self.send(301, length=0, Location=unquote(self.path.partition("?")[2]))

    def drip(self) -> None:
        self.send(200, b"", 1000)
        self._drip()

    def drip_of_header(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._drip()

    def _drip(self) -> None:
        try:
            for _ in range(200):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            return

    def endless(self) -> None:
        self.send(200)
        try:
            while True:
                self.wfile.write(BODY)
        except OSError:
            return


@pytest.fixture
def stranger(server, monkeypatch) -> ThreadingHTTPServer:
    server.RequestHandlerClass = type("OneTest", (Stranger,), {"requests": [], "agents": set()})
    return server


@pytest.mark.parametrize("length", [f"{len(BODY)}, {len(BODY)}", f" {len(BODY)} "])
def test_a_length_that_is_said_twice_is_one(stranger, url, output, length):
    assert fetch(url(f"length?{quote(length)}"), output) == CHECKSUM


@pytest.mark.parametrize("length", ["abc", "-5", "5000, 6000", "1e3", "0x10", "", "²", "99999999999"])
def test_a_length_that_is_none_or_wrong_is_refused(stranger, url, output, length):
    with pytest.raises(DataError, match=r"Content-Length of|broke off after"):
        fetch(url(f"length?{quote(length)}"), output)
    assert left(output) == []


def test_some_redirects_are_followed_and_many_are_not(stranger, url, output):
    assert fetch(url("chain?3"), output) == CHECKSUM
    with pytest.raises(DataError, match="more than 5 redirects"):
        fetch(url("chain?9"), output)
    with pytest.raises(DataError, match="a circle of them"):
        fetch(url("circle"), output)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://host/a", "data:,x", "//", "http://", "gopher://x", "http://[::1"]
)
def test_a_redirect_leads_to_http_only(stranger, url, output, target):
    with pytest.raises(DataError, match=r"expected (an http or https address|a file|a redirect)"):
        fetch(url(f"elsewhere?{quote(target)}"), output)
    assert left(output) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("https://host/a", "http://host/a", "expected a redirect to https"),
        ("http://host/a", "http://127.0.0.1/a", "a redirect to this machine"),
        ("http://host/a", "http://[::1]/a", "a redirect to this machine"),
        ("http://host/a", "http://localhost/a", "a redirect to this machine"),
        ("http://host/a", "http://169.254.169.254/a", "a redirect to this machine"),
    ],
)
def test_a_redirect_leads_to_nothing_less_safe(before, after, words):
    with pytest.raises(DataError, match=words):
        Redirects().redirect_request(Request(before), None, 302, "", HTTPMessage(), after)  # noqa: S310


def test_a_drip_is_given_up(stranger, url, output, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_S", 0.2)
    with pytest.raises(DataError, match=r"a transfer that is too slow: [0-9]+ bytes in 0 s, 3 times"):
        fetch(url("drip"), output)
    assert left(output) == []


def test_a_drip_of_the_header_is_given_up(stranger, url, output, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    before = time.monotonic()
    with pytest.raises(DataError, match=r"no answer|no connection"):
        fetch(url("drip_of_header"), output)
    assert time.monotonic() - before < 5


def test_a_transfer_has_an_end(stranger, url, output, monkeypatch):
    monkeypatch.setattr(module, "TRANSFER_S", 0.2)
    with pytest.raises(DataError, match="a transfer that is too slow"):
        fetch(url("endless"), output)


def test_a_file_has_a_largest_size(stranger, url, output, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_BYTES", len(BODY) - 1)
    for path, how in (("whole", "announced"), ("unannounced", "sent"), ("endless", "sent")):
        with pytest.raises(DataError, match=f"expected a file of at most .* found [0-9]+ bytes {how}"):
            fetch(url(path), output)
    assert left(output) == []


def test_other_letters_in_an_address_are_encoded(server, url, output):
    assert fetch(url("whole/étoile à voir.fits?bande=α&b=%C3%A9"), output) == CHECKSUM
    (path,) = server.RequestHandlerClass.requests
    assert path == "/whole/%C3%A9toile%20%C3%A0%20voir.fits?bande=%CE%B1&b=%C3%A9"


@pytest.mark.parametrize(
    "address",
    ["http://", "http:///a", "http://[::1", "http://host:port/", "http://host:99999/", "file:///a", "a.fits"],
)
def test_what_is_no_address_is_refused_at_once(address, output):
    with pytest.raises(DataError, match="expected an http or https address") as caught:
        fetch(address, output)
    assert len(str(caught.value).splitlines()) == 1
