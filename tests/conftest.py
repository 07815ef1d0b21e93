"""Options and fixtures that all tests share."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Runs are the same everywhere; HYPOTHESIS_PROFILE=search looks for new examples, at leisure.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Workers keep the memory that tensors leave: to be given new pages takes a fifth of a convolution's
# time. The C library reads this when a process begins; those that tests start are as anyone's.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**27), "MALLOC_TRIM_THRESHOLD_": str(2**29)}


def is_worker() -> bool:
    """Tell whether this is one of pytest-xdist's processes."""
    return "PYTEST_XDIST_WORKER" in os.environ


if is_worker():
    # The workers share the cores. torch reads this when it is imported, here or in a process.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # where a test takes two: see `share_cores`
    for name in MEMORY:
        os.environ.pop(name, None)

GOLDENS = Path(__file__).parent / "goldens"

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="rewrite tests/goldens from what is said now"
    )


@pytest.fixture(scope="session", autouse=True)
def cache_of_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what is emitted and imported out of the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "stspec-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STSPEC_CACHE", str(folder))
        yield folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with tests/goldens/NAME.txt, or write it there with --update-goldens."""

    def check(name: str, text: str) -> None:
        path = GOLDENS / f"{name}.txt"
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        assert path.exists(), f"no golden {path.name}; write it with --update-goldens"
        assert text + "\n" == path.read_text(encoding="utf-8")

    return check


# What some tests need of the machine. Where it is missing they are left out, which is told at the
# end, except in CI: there everything must run.


def videos_folder() -> Path | None:
    """The folder of real clips, or None where there is none."""
    named = os.environ.get("STSPEC_VIDEOS")
    if named and not Path(named).is_dir():
        raise pytest.UsageError(f"STSPEC_VIDEOS is no folder: {named}")
    return Path(named) if named else None


def browser_path() -> Path | None:
    """The browser's program, or None where there is none."""
    named = os.environ.get("STSPEC_BROWSER")
    if named and not shutil.which(named):
        raise pytest.UsageError(f"STSPEC_BROWSER is no program: {named}")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, candidates)), None)
    return Path(found) if found else None


def torchcodec_path() -> Path | None:
    """The package torchcodec, or None where it does not load."""
    found = importlib.util.find_spec("torchcodec")
    if found is None or found.origin is None:
        return None
    from stspec.data.torchcodec import why_not

    return Path(found.origin) if why_not() is None else None


def slurm_path() -> Path | None:
    """Slurm's controller, where all else that a cluster needs is there too, or None."""
    if importlib.util.find_spec("submitit") is None:
        return None
    from tests.study.slurm_cluster import controller_path

    return controller_path()


def ray_path() -> Path | None:
    """The package ray, or None where it is not installed."""
    found = importlib.util.find_spec("ray")
    return Path(found.origin) if found is not None and found.origin is not None else None


NEEDS: dict[str, tuple[Callable[[], Path | None], str]] = {
    "needs_videos": (videos_folder, "real clips; STSPEC_VIDEOS names their folder"),
    "needs_browser": (browser_path, "a browser; STSPEC_BROWSER names one, or install chromium"),
    "needs_torchcodec": (torchcodec_path, "torchcodec, of the release that fits torch"),
    "needs_slurm": (slurm_path, "submitit, and Slurm: Debian's slurm-wlm and munge"),
    "needs_ray": (ray_path, "ray"),
}

CLUSTERS = ("needs_slurm", "needs_ray")
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()
    for marker, (find, what) in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {what}")
        if os.environ.get("CI") == "true" and not is_worker() and find() is None:
            raise pytest.UsageError(f"CI runs every test, and some need {what}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Pass on to the workers, which begin now, how to keep memory."""
    os.environ.update(MEMORY)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests whose needs this machine lacks."""
    for marker, (find, _) in NEEDS.items():
        needing = [item for item in items if item.get_closest_marker(marker)]
        if needing and find() is None:
            config.stash[LEFT_OUT][marker] = len(needing)
            config.hook.pytest_deselected(items=needing)
            items[:] = [item for item in items if item not in needing]
    # What waits for a cluster goes first: the other processes compute meanwhile.
    items.sort(key=lambda item: not any(map(item.get_closest_marker, CLUSTERS)))


def pytest_collection_finish() -> None:
    """Spare the search for waste what lasts: torch, and all that was collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker of pytest-xdist report what it left out."""
    if hasattr(session.config, "workeroutput"):
        left_out: Counter[str] = session.config.stash[LEFT_OUT]
        session.config.workeroutput["left_out"] = dict(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker left out: each of them collects all tests."""
    for marker, count in getattr(node, "workeroutput", {}).get("left_out", {}).items():
        node.config.stash[LEFT_OUT][marker] = count


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell which tests were left out, and what they need."""
    for marker, count in config.stash[LEFT_OUT].items():
        tests = "1 test needs" if count == 1 else f"{count} tests need"
        terminalreporter.write_line(f"left out: {tests} {NEEDS[marker][1]}", yellow=True)


@pytest.fixture
def videos() -> Path:
    """The folder of real clips, for tests marked needs_videos."""
    folder = videos_folder()
    assert folder is not None, "mark this test with pytest.mark.needs_videos"
    return folder


@pytest.fixture
def browser() -> Path:
    """The browser's program, for tests marked needs_browser."""
    path = browser_path()
    assert path is not None, "mark this test with pytest.mark.needs_browser"
    return path
