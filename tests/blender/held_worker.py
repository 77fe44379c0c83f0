# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker without torch whose jobs end when a test says so.

Each job reports a step over and over. A file `go` in the folder of all jobs holds how many jobs may
end; a job whose seed is `BAD_SEED` fails instead, and a cancelled one stops at once. Each job that
starts adds its id to the file `started`.
"""

import os
import queue
import sys
import threading
import time
from pathlib import Path

from backend.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    ErrorEvent,
    Hello,
    Message,
    ProgressEvent,
    Shutdown,
    Submit,
    encode,
    read_messages,
)
from tests.fake_worker import make_result

BAD_SEED = 666
STEP_S = 0.02


def say(message: Message) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def run_job(job: Submit, number: int, inbox: "queue.Queue[Message]") -> list[Message]:
    """Run until the test lets go; messages about other jobs that came meanwhile."""
    root, later = Path(job.job_folder).parent, []
    with (root / "started").open("a", encoding="utf-8") as file:
        file.write(job.job_id + "\n")
    while True:
        say(ProgressEvent(job.job_id, "sample", 1, 4, 9.0))
        go = root / "go"
        if go.exists() and int(go.read_text() or 0) >= number:
            break
        time.sleep(STEP_S)
        while not inbox.empty():
            message = inbox.get()
            if isinstance(message, Cancel) and message.job_id == job.job_id:
                say(ErrorEvent(job.job_id, "cancelled", "The job was cancelled."))
                return later
            if isinstance(message, Shutdown):
                os._exit(0)
            later.append(message)
    if job.settings["seed"] == BAD_SEED:
        say(ErrorEvent(job.job_id, "input", "This seed is bad.", "Take another one."))
    else:
        say(make_result(job))
    return later


def main() -> None:
    inbox: queue.Queue[Message] = queue.Queue()

    def listen() -> None:
        for message in read_messages(sys.stdin.buffer):
            inbox.put(message)
        inbox.put(Shutdown())

    threading.Thread(target=listen, daemon=True).start()
    say(Hello(PROTOCOL_VERSION, os.getpid(), ["cpu"], [1024], {"python": "3.11", "torch": "0"}))
    number, waiting = 0, []
    while True:
        message = waiting.pop(0) if waiting else inbox.get()
        if isinstance(message, Submit):
            number += 1
            waiting += run_job(message, number, inbox)
        elif isinstance(message, Shutdown):
            return


if __name__ == "__main__":
    main()
