# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for the programs of an installation: `python fake_pip.py MODE FOLDER [WORDS]`."""

import subprocess
import sys
import time
from pathlib import Path

ANSWERS = {
    "look": '{"version": [3, 11], "bits": 64, "missing": []}',
    "check": (
        '{"versions": {"python": "3.11.9", "torch": "2.13.0"}, "missing": {}, "device": "GTX"}'
    ),
}
DOWNLOAD = """Collecting torch==2.13.0 (from -r cpu.txt (line 3))
  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (526.6 MB)
Collecting scikit-image==0.26.0
  Downloading scikit_image-0.26.0-cp311-cp311-win_amd64.whl.metadata (11 kB)"""


def main(mode: str, folder: Path, words: str = "") -> int:
    if mode in ANSWERS:
        say("some library greets\n" + (words or ANSWERS[mode]))
    elif mode == "make":
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()
    elif mode == "install":
        say(DOWNLOAD)
        wait_for(folder.parent / "downloaded")
        say("Installing collected packages: torch, scikit-image")
        wait_for(folder.parent / "unpacked")
        (folder / "torch.py").touch()
    elif mode == "fail":
        say(words)
        return 1
    elif mode == "tree":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (folder.parent / "pids").write_text(str(child.pid))
        time.sleep(60)
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:4]))
