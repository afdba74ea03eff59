"""Asking strangers' servers: what they may answer, how long, and where they may send us."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from skymill.errors import DataError

SCHEMES = ("http", "https")
MOST_REDIRECTS = 5
KEPT = "%/:=&?~#+!$,;'@()*[]"
"""What stands for itself in an address (RFC 3986, section 2.2), and ``%``, which begins what is encoded."""


def checked_address(url: str) -> str:
    """Return an address as a server understands it: letters beyond ASCII are encoded.

    Parameters
    ----------
    url : str
        An http or https address, also one with spaces or other letters (RFC 3987).

    Raises
    ------
    DataError
        If it is no such address.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname.encode("idna").decode("ascii") if parts.hostname else ""
        port = parts.port
    except ValueError as error:
        raise DataError(url, expected="an http or https address", found=str(error)) from None
    if parts.scheme not in SCHEMES or not host:
        found = f"the scheme '{parts.scheme}'" if host else "no host"
        raise DataError(url, expected="an http or https address", found=found)
    place = f"[{host}]" if ":" in host else host
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    place = f"{quote(user, safe=KEPT)}{place}{'' if port is None else f':{port}'}"
    return urlunsplit((parts.scheme, place, quote(parts.path, KEPT), quote(parts.query, KEPT), ""))


def announced_length(headers: HTTPMessage) -> int | None:
    """Return the length that a body has by its header; None where it says nothing.

    The same number may stand there several times (RFC 9110, section 8.6).

    Raises
    ------
    ValueError
        If the header holds no number, or different ones.
    """
    texts = {text.strip() for given in headers.get_all("Content-Length", []) for text in given.split(",")}
    if not texts:
        return None
    (text,) = texts if len(texts) == 1 else ("",)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"a Content-Length of {', '.join(sorted(texts))!r}")
    return int(text)


@contextmanager
def opener(patience_s: float) -> Iterator[OpenerDirector]:
    """Give what opens http and https addresses and nothing else, and ends what has no answer after a time.

    A server that sends a letter now and then is never silent, so that a time-out of its silence alone never ends.

    Parameters
    ----------
    patience_s : float
        How long the block may take, seconds. After that its connections are shut down.

    Raises
    ------
    TimeoutError
        At the end of the block, if it has taken so long: the header of an answer that is cut off looks whole.
    """
    sockets: list[socket.socket] = []
    is_over = threading.Event()
    director = OpenerDirector()
    for handler in (
        ProxyHandler(),
        _Http(sockets),
        _Https(sockets),
        HTTPDefaultErrorHandler(),
        Redirects(),
        HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    timer = threading.Timer(patience_s, _shut, [sockets, is_over])
    timer.daemon = True
    timer.start()
    try:
        yield director
    finally:
        timer.cancel()
        if is_over.is_set():
            raise TimeoutError(f"none in {patience_s:g} s")


def _shut(sockets: list[socket.socket], is_over: threading.Event) -> None:
    is_over.set()
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It is closed already, which is what was wanted.
            continue


class _Http(HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def http_open(self, req: Request) -> Any:
        return self.do_open(_noting(HTTPConnection, self.sockets), req)


class _Https(HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def https_open(self, req: Request) -> Any:
        return self.do_open(_noting(HTTPSConnection, self.sockets), req)


def _noting(kind: type[HTTPConnection], sockets: list[socket.socket]) -> type[HTTPConnection]:
    """Return connections of a kind that note their socket."""

    class Noting(kind):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    return Noting


class Redirects(HTTPRedirectHandler):
    """Follows a few redirects, to addresses of the same safety."""

    max_redirections = MOST_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Refuse to be led from https to http, to other schemes, and from elsewhere to this machine."""
        new = checked_address(newurl)
        before, after = urlsplit(req.full_url), urlsplit(new)
        if (before.scheme, after.scheme) == ("https", "http"):
            raise DataError(
                req.full_url, expected="a redirect to https", found=newurl, remedy="Name the file's address."
            )
        if _is_of_this_machine(after.hostname) and not _is_of_this_machine(before.hostname):
            raise DataError(
                req.full_url, expected="a file elsewhere", found=f"a redirect to this machine: {newurl}"
            )
        return super().redirect_request(req, fp, code, msg, headers, new)

    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: HTTPMessage) -> Any:
        """Count redirects of all kinds together."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError as error:
            raise DataError(req.full_url, expected="a redirect to an address", found=str(error)) from None
        except HTTPError as error:
            if error.msg.startswith(self.inf_msg):
                found = f"more than {MOST_REDIRECTS} redirects, or a circle of them"
                raise DataError(req.full_url, expected="a file", found=found) from None
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _is_of_this_machine(host: str | None) -> bool:
    if host in (None, "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified
