"""How long the page of a study of 288 runs takes to make and to open, and how large it is.

The runs are those of the shipped study `unified_288`, made up instead of trained, each with its
predictions. Making the page runs cold, in a process of its own; a real browser opens it. Run
`python benchmarks/report.py [--videos N] [--classes K]`; the exit status is 1 where a target is
missed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

MOST_SECONDS, MOST_BYTES, MOST_TO_OPEN = 10.0, 6_000_000, 2.0
STUDY = "unified_288"
DRAWN = "document.querySelectorAll('.plot:not([data-drawn])').length === 0"
SHOWN = "document.querySelector('#count')?.textContent.startsWith('All') ?? false"
EPOCHS = 75


def make_store(root: Path, videos: int, classes: int) -> int:
    """Make the store and return how many runs it holds."""
    import json

    from stspec.study.planning import make_plan
    from stspec.study.store import create_store
    from stspec.study.study import load_study
    from tests.study.made_runs import Made

    plan = make_plan(load_study(STUDY))
    store = create_store(root)
    (root / "plans" / f"{STUDY}.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    names = [f"doing something of kind {number}" for number in range(classes)]
    made = Made(classes=names, videos=videos, epochs=EPOCHS, steps=100, latency=True)
    made.planned(store, plan.runs, {**plan.specs, **plan.recipes})
    return len(plan.runs)


def seconds_to_make(store: Path, page: Path) -> float:
    """Run the command once and return the seconds that it took."""
    command = ["study", "report", STUDY, "--store", str(store), "-o", str(page)]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "stspec.cli", *command], check=True, cwd=ROOT)
    return time.perf_counter() - start


def seconds_to_open(program: Path, page: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds until the table can be used, and until every plot is drawn."""
    from tests.study.chromium import Browser

    with Browser(program, folder) as tab:
        tab.screen(1200)
        tab.open(page)  # the first one warms the browser
        tab.wait(DRAWN)
        start = time.perf_counter()
        tab.open(page)
        tab.wait(SHOWN)
        usable = time.perf_counter() - start
        tab.wait(DRAWN)
        return usable, time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=2000, help="of each data set")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="a folder for the store and the page")
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = given.keep or Path(temporary)
        store, page = folder / "store", folder / "page.html"
        runs = 288 if store.is_dir() else make_store(store, given.videos, given.classes)
        made = min(seconds_to_make(store, page) for _ in range(2))
        size = page.stat().st_size
        print(f"{runs} runs, {given.videos} videos of each data set, {given.classes} classes")
        missed = _told("made in", made, MOST_SECONDS, "s")
        missed += _told("its size", size / 1e6, MOST_BYTES / 1e6, "MB")
        if program is None:
            print("no chromium: opening is not measured")
        else:
            usable, drawn = seconds_to_open(Path(program), page, Path(temporary) / "user")
            missed += _told("opens in", usable, MOST_TO_OPEN, "s")
            print(f"every plot is drawn after {drawn:.2f} s")
    print("every target met" if not missed else f"{missed} targets missed")
    return int(missed > 0)


def _told(what: str, value: float, most: float, unit: str) -> int:
    print(f"{what:<10} {value:6.2f} {unit:<3} target < {most:g}")
    return int(value >= most)


if __name__ == "__main__":
    sys.exit(main())
