"""Fetch: files behind an http(s) address, whole and checked, or an error that names the address.

A stage of its own, so that an address that does not answer fails one tile. Snakemake's http storage asks for every
address while it plans, and one that is silent would stop the whole run, even a dry one.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

from skymill import __version__
from skymill.errors import DataError
from skymill.ingest.http import announced_length, checked_address, opener
from skymill.provenance.atomic import atomic_path
from skymill.provenance.record import recording

log = logging.getLogger(__name__)

TRIES = 3
WAIT_S = 2.0
"""Pause after the first failed try; each later one is three times as long."""
TIMEOUT_S = 60.0
"""Longest silence of the server."""
ANSWER_S = 120.0
"""Longest time from the question to the end of the answer's header, redirects included."""
TRANSFER_S = 6 * 3600.0
"""Longest transfer of a file."""
LARGEST_BYTES = 100 * 10**9
SLOWEST_BYTES_S = 1000
"""A transfer that is slower for WINDOW_S is given up."""
WINDOW_S = 60.0
BLOCK_BYTES = 2**20
TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may be better the next time (RFC 9110, section 15; RFC 6585, section 4)."""


class _TransferError(Exception):
    """A try that failed and may go better the next time."""


def fetch_file(recipe: Mapping[str, Any], output: str | Path) -> None:
    """Fetch the file that a recipe names.

    Parameters
    ----------
    recipe : mapping
        Its ``params`` hold ``url`` and ``sha256`` (None: not checked).
    output : str or Path
        The file to make.

    Raises
    ------
    DataError
        As :func:`fetch`.
    """
    with recording(recipe, Path(output).parent) as record:
        params = recipe["params"]
        record.extra["url"] = params["url"]
        fetch(params["url"], output, params["sha256"])
        record.extra["bytes"] = Path(output).stat().st_size
        record.rows = 1


def fetch(url: str, output: str | Path, sha256: str | None = None) -> str:
    """Download `url` to `output`, whole or not at all; tries three times before it gives up.

    Parameters
    ----------
    url : str
        An http or https address.
    output : str or Path
        The file to make.
    sha256 : str, optional
        Checksum that the file must have, 64 hexadecimal digits.

    Returns
    -------
    str
        The file's checksum.

    Raises
    ------
    DataError
        If the address cannot be reached, leads elsewhere, has no such file, breaks off, takes too long, or the file is
        too large or has another checksum. The message names the address, and nothing is left at `output`.
    """
    checked_address(url)
    with atomic_path(output) as partial:
        found = _with_retries(url, partial)
        if sha256 is not None and found != sha256.lower():
            raise DataError(
                url,
                expected=f"a file with sha256 {sha256}",
                found=f"sha256 {found}",
                remedy="The file has changed or was damaged on its way: correct the checksum, or ask its owner.",
            )
    log.info("fetched %s to %s, sha256 %s", url, output, found)
    return found


def _with_retries(url: str, partial: Path) -> str:
    for number in range(TRIES):
        if number:
            time.sleep(WAIT_S * 3 ** (number - 1))
        try:
            return _download(url, partial)
        except _TransferError as error:
            log.warning("%s: %s (try %d of %d)", url, error, number + 1, TRIES)
            reason = str(error)
    raise DataError(
        url,
        expected="a file that can be fetched",
        found=f"{reason}, {TRIES} times",
        remedy="Check the address and the network, or put the file into a folder and name that with data_dir.",
    )


def _download(url: str, partial: Path) -> str:
    """Write what `url` holds to `partial` and return its checksum."""
    digest = hashlib.sha256()
    with _answer(url) as response, partial.open("wb") as file:
        for block in _blocks(url, response):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _answer(url: str) -> HTTPResponse:
    # Some archives refuse Python's own name.
    request = Request(checked_address(url), headers={"User-Agent": f"skymill/{__version__}"})  # noqa: S310
    try:
        with opener(ANSWER_S) as asking:
            return asking.open(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        with error:
            answer = f"the answer {error.code} {error.reason}"
        if error.code in TRANSIENT_STATUS:
            raise _TransferError(answer) from None
        raise DataError(url, expected="a file", found=answer, remedy="Check the address.") from None
    except URLError as error:
        raise _TransferError(f"no connection ({error.reason})") from error
    except (OSError, HTTPException) as error:
        raise _TransferError(f"no answer ({_words(error)})") from error


def _blocks(url: str, response: HTTPResponse) -> Iterator[bytes]:
    """Give the body in pieces; a body that ends before its announced length is an error."""
    try:
        announced = announced_length(response.headers)
    except ValueError as error:
        raise _TransferError(f"an answer with {error}") from None
    pace = _Pace(url, announced)
    while True:
        try:
            # What has come so far, and not a whole block, which a slow server never fills.
            block = response.read1(BLOCK_BYTES)
        except (OSError, HTTPException) as error:
            raise _TransferError(
                f"a transfer that broke off after {pace.got} bytes ({_words(error)})"
            ) from error
        if not block:
            break
        pace.count(len(block))
        yield block
    if not pace.got:
        raise _TransferError("an empty answer")
    if announced is not None and pace.got != announced:
        raise _TransferError(f"a transfer that broke off after {pace.got} of {announced} bytes")


class _Pace:
    """Counts a body's bytes, and gives up where there are too many, or they come too slowly."""

    def __init__(self, url: str, announced: int | None) -> None:
        self.url, self.got = url, 0
        self.began = self.window_began = time.monotonic()
        self.window_got = 0
        self._check_size(announced or 0, "announced")

    def count(self, size: int) -> None:
        self.got += size
        self.window_got += size
        self._check_size(self.got, "sent")
        now = time.monotonic()
        if now - self.began > TRANSFER_S:
            raise self._slow(f"{self.got} bytes in {now - self.began:.0f} s")
        if (passed := now - self.window_began) >= WINDOW_S:
            if self.window_got < SLOWEST_BYTES_S * passed:
                raise self._slow(f"{self.window_got} bytes in {passed:.0f} s")
            self.window_began, self.window_got = now, 0

    def _check_size(self, size: int, how: str) -> None:
        if size > LARGEST_BYTES:
            raise DataError(
                self.url,
                expected=f"a file of at most {LARGEST_BYTES / 1e9:g} GB",
                found=f"{size} bytes {how}",
                remedy="Fetch it yourself, and name its folder with data_dir.",
            )

    def _slow(self, found: str) -> _TransferError:
        return _TransferError(f"a transfer that is too slow: {found}")


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
