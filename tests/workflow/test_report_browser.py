"""The page in a real browser: figures are drawn, nothing is fetched, no script fails."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--window-size=1400,3000", "--virtual-time-budget=30000", "--enable-logging=stderr"),
)
HOSTILE = "<img src=x onerror=alert(1)>"
CONSOLE = re.compile(r'CONSOLE.*?"(?P<text>.*)", source', re.DOTALL)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser to open the report with: none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory, repository: Path) -> Path:
    """The page of a fake run; its tile's and its detector's names hold markup."""
    from skymill.report.report import report

    source = repository / "tests" / "unit" / "report" / "fake_run.py"
    spec = importlib.util.spec_from_file_location("fake_run", source)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_run"] = module
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("browser")
    arguments = module.FakeRun(folder, tile=HOSTILE).arguments
    report(
        **{**arguments, "notes": [{"what": HOSTILE, "reason": "<script>document.title = 'taken'</script>"}]}
    )
    return arguments["output"]


def call(browser: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    profile = tmp_path / "profile"
    return subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


class Server(HTTPServer):
    """Serves the page to whoever asks for anything, and remembers what was asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.requested = content, []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.requested.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        """Keep quiet."""


@dataclass(frozen=True)
class Opened:
    """The page's document after its scripts have run, the browser's log and the requests that it made."""

    document: str
    log: str
    requested: list[str]


@pytest.fixture(scope="module")
def opened(browser: str, page: Path, tmp_path_factory) -> Opened:
    with Server(page.read_bytes()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Every other name leads nowhere: a request for one would show in the log.
        resolver = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        url = f"http://127.0.0.1:{server.server_port}/report.html"
        try:
            found = call(browser, tmp_path_factory.mktemp("dom"), resolver, "--dump-dom", url)
        finally:
            server.shutdown()
        return Opened(found.stdout, found.stderr, server.requested)


def test_plotly_draws_every_figure(opened: Opened):
    document = opened.document
    drawn, total = map(int, re.search(r'<html[^>]*data-drawn="(\d+)/(\d+)"', document).groups())
    assert total >= 18
    assert drawn == total
    assert document.count('class="main-svg"') >= drawn


def test_traces_and_axes_are_there(opened: Opened):
    document = opened.document

    assert document.count('class="point"') > 300
    assert "flux MAPE (%)" in document
    assert document.count("<image") > 50


def test_no_script_fails(opened: Opened):
    assert "data-errors" not in opened.document[: opened.document.index("<head")]
    messages = [match["text"] for match in CONSOLE.finditer(opened.log)]
    assert not messages, messages


def test_hostile_text_is_text(opened: Opened):
    title = re.search(r"<title>(.*?)</title>", opened.document)[1]

    assert "taken" not in title
    assert "&lt;img src=x onerror=alert(1)&gt;" in opened.document
    assert "<img src=x" not in opened.document


def test_a_screenshot_of_the_file_is_not_blank(browser: str, page: Path, tmp_path: Path):
    from PIL import Image

    call(browser, tmp_path, f"--screenshot={tmp_path / 'page.png'}", page.as_uri())

    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (1400, 3000)
        colours = image.convert("RGB").getcolors(maxcolors=1_000_000)
    white = max(colours)[0] / (1400 * 3000)
    # Text, tables and figures: neither an empty page nor a picture that failed to load all over it.
    assert len(colours) > 100
    assert 0.5 < white < 0.98


def test_nothing_but_the_page_is_requested(opened: Opened):
    assert opened.requested == ["/report.html"]
    assert "ERR_NAME_NOT_RESOLVED" not in opened.log
