"""Memory of the workers: flat, however many samples there are and have been read."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the system counts in /proc")
def test_reading_does_not_copy_the_list_into_workers() -> None:
    """Counting references writes to objects, and pages that are written to are copied."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.loading.measured_reading"],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    grown = json.loads(done.stdout)
    assert grown["objects"] > 5_000, "objects are copied"
    assert grown["packed"] < grown["objects"] / 4, grown
