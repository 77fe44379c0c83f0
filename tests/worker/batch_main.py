# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend` with a worker of the tests: `batch_main.py WORKER batch ...`."""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend import cli
from backend.client.worker_process import WorkerProcess
from tests.worker.driving import BATCH_WORKER, TINY_WORKER

COMMANDS = {"batch": BATCH_WORKER, "tiny": TINY_WORKER}


def make_worker(command: list[str], log_path: Path, device: str) -> WorkerProcess:
    return WorkerProcess(Path(sys.executable), log_path, ["--device", device], command)


if __name__ == "__main__":
    worker, log, *words = sys.argv[1:]
    sys.exit(cli.main(words, "maquette", partial(make_worker, COMMANDS[worker], Path(log))))
