"""What every test has: a quiet machine, no network, and the shared real data where they are present."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from account import NO_SHARED_DATA, keep_account
from hypothesis import settings

# Set before numpy or torch is imported: each test process and its children compute on one thread, so that
# parallel tests do not fight for cores and sums do not depend on their number.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MPLBACKEND"] = "Agg"

REPOSITORY = Path(__file__).resolve().parents[1]
LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost", ""}

# Seeded examples and no time limit for one of them: a busy machine must not fail a test.
settings.register_profile("skymill", derandomize=True, deadline=None, database=None)
settings.load_profile("skymill")


def pytest_configure(config: pytest.Config) -> None:
    """Print at the end what was not checked."""
    keep_account(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, so that no worker is still busy with one when the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared real data: ``../shared/data`` beside the checkout, or ``$SKYMILL_SHARED_DATA``."""
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("SKYMILL_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"{NO_SHARED_DATA} {folder} (set SKYMILL_SHARED_DATA to their folder)")
    return folder


@pytest.fixture(scope="session")
def make_case(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that writes the files of one shared case (``shared/cases``), each once, and gives their folder."""
    script, made = shared_data.parent / "cases" / "make_cases.py", {}
    if not script.is_file():
        pytest.skip(
            f"the shared cases are not at {script.parent}"
        )  # the data are there: half a folder is a fault

    def make(name: str) -> Path:
        if name not in made:
            out = tmp_path_factory.mktemp("cases")
            subprocess.run([sys.executable, script, out, name], check=True, capture_output=True)
            made[name] = out / name
        return made[name]

    return make


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine: tests run offline."""
    connect = socket.socket.connect

    def local_connect(self: socket.socket, address: object) -> None:
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and isinstance(address, tuple) and address[0] not in LOCAL_HOSTS:
            raise OSError(f"tests run offline, but one connects to {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_connect)
        yield
