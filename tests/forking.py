"""Where tests fork their processes from: one server, that has imported what all of these need."""

from __future__ import annotations

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
# The server is each process's only one, so what a second caller asks it to import comes too late.
CONTEXT.set_forkserver_preload(["tests.train.killing", "tests.train.warm", "tests.study.standin"])
