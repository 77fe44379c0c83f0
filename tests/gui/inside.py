# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a virtual display inside the folder of `setup_blender.sh`, and what its caller wants on it.

    python3 inside.py WIDTHxHEIGHT      with /job, a folder that the caller sees too

Standard library only. Reads one JSON object per line, `{"start": [...]}` or `{"run": [...]}`, and
answers each with one; `start` goes on in the background and is ended by the next `start`, by `stop`
or at the end of the input. The screen's pixels are in /job/Xvfb_screen0.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

JOB = Path("/job")
END_S = 5.0
# Windows without frames: the screen then holds Blender's windows and nothing else.
MANAGER_SETTINGS = """<openbox_config xmlns="http://openbox.org/3.4/rc">
<focus><followMouse>yes</followMouse></focus>
<applications><application class="*"><decor>no</decor></application></applications>
</openbox_config>
"""


def say(reply: dict[str, Any]) -> None:
    """Write one line to the caller."""
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def start_display(size: str) -> list["subprocess.Popen[bytes]"]:
    """Start the display and a window manager, without which Blender gets no keyboard."""
    reading, writing = os.pipe()
    options = ["-displayfd", str(writing), "-screen", "0", f"{size}x24", "-fbdir", str(JOB)]
    options += ["-nolisten", "tcp", "-noreset", "+extension", "GLX"]
    with (JOB / "display.log").open("wb") as log:
        display = subprocess.Popen(["Xvfb", *options], pass_fds=[writing], stdout=log, stderr=log)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        settings = JOB / "openbox.xml"
        settings.write_text(MANAGER_SETTINGS, encoding="utf-8")
        manager = subprocess.Popen(["openbox", "--config-file", settings], stdout=log, stderr=log)
    return [manager, display]


def end_process(process: "subprocess.Popen[bytes] | None") -> int | None:
    """Ask a process to end, and make it end; its exit status."""
    if process is None:
        return None
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def answer(
    request: dict[str, Any], running: "subprocess.Popen[bytes] | None"
) -> tuple[dict[str, Any], "subprocess.Popen[bytes] | None"]:
    """Do what a request says; the reply, and what runs now."""
    if "run" in request:
        done = subprocess.run(
            request["run"], capture_output=True, text=True, timeout=60, check=False
        )
        return {"status": done.returncode, "output": done.stdout + done.stderr}, running
    if "poll" in request:
        return {"status": running.poll() if running else None}, running
    status = end_process(running)
    if "start" not in request:
        return {"status": status}, None
    environment = os.environ | request.get("environment", {})
    with (JOB / "program.log").open("wb") as log:
        running = subprocess.Popen(request["start"], stdout=log, stderr=log, env=environment)
    return {"status": None}, running


def main(size: str) -> None:
    """Answer requests until the input ends."""
    helpers = start_display(size)
    running = None
    say({"status": 0})
    for line in sys.stdin:
        reply, running = answer(json.loads(line), running)
        say(reply)
    for process in (running, *helpers):
        end_process(process)


if __name__ == "__main__":
    main(sys.argv[1])
