# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns command-line words into jobs and their results into files, lines and exit codes.

Exit codes: 0 done, 2 bad input (one line on stderr), 1 any other error (one line), 130 Ctrl-C.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from .client.environment import check_environment, find_models_folder, find_python
from .client.in_process import InProcess
from .client.queue import Job, JobQueue, JobState, Transport
from .config import PRESET_FOLDER, JobConfig, load_preset, overlay, setting_names
from .errors import InputError, MaquetteError
from .progress import Progress
from .protocol import ProgressEvent, Result
from .weights.catalogue import CATALOGUE
from .weights.hub import fetch_weights, weights_path

MakeWorker = Callable[[str], Transport]
OnResult = Callable[["GenerateRequest", Result], None]
# Flags that are not simply the setting's name.
FLAGS = {"target_faces": "--faces"}
STAGE_TEXTS = {
    "read": "Reading the picture",
    "load": "Loading the model",
    "prepare": "Cutting out the object",
    "encode": "Looking at the picture",
    "sample": "Sampling the shape",
    "decode": "Evaluating the surface",
    "mesh": "Building the mesh",
    "write": "Writing the mesh",
}
_VIEWS = ("left", "back", "right")
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """What `generate` was asked for.

    Attributes:
        images: View ("front", "left", "back", "right") -> picture.
        config: The settings.
        out: The .glb file to write.
        device: Name of the device, or "auto".
        is_json: Print one JSON line instead of progress.
    """

    images: dict[str, Path]
    config: JobConfig
    out: Path
    device: str
    is_json: bool


class Parser(argparse.ArgumentParser):
    """Reports wrong words as an `InputError` instead of a usage text and an exit."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}.", f"See: {self.prog} --help")


def main(
    argv: Sequence[str] | None = None,
    prog: str = "python -m backend",
    make_worker: MakeWorker = InProcess,
    on_result: OnResult | None = None,
    is_online_allowed: bool = True,
) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; None takes the process's own.
        prog: The program's name in help texts.
        make_worker: Device name -> worker that is not started.
        on_result: Called with a finished `generate` while the job's files are still there.
        is_online_allowed: Whether `fetch` may download.

    Returns:
        The exit code.
    """
    try:
        args = make_parser(prog).parse_args(argv)
        if args.command == "generate":
            _generate(read_request(args), make_worker, on_result)
        elif args.command == "models":
            _list_models()
        elif args.command == "fetch":
            _fetch(args.model, is_online_allowed)
        else:
            _check(args.python)
    except MaquetteError as error:
        return report_error(error)
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return 130
    return 0


def report_error(error: MaquetteError) -> int:
    """Print an error as one line on stderr; the exit code that goes with it."""
    print(" ".join(str(error).split()), file=sys.stderr)
    return 2 if isinstance(error, InputError) else 1


def make_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all commands; `add_generate_arguments` makes the largest."""
    parser = Parser(prog=prog, description="Turn a picture into a 3D mesh.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate = commands.add_parser(
        "generate", help="make a mesh from a picture", allow_abbrev=False
    )
    add_generate_arguments(generate)
    commands.add_parser("models", help="list the models", allow_abbrev=False)
    fetch = commands.add_parser("fetch", help="download a model's weights", allow_abbrev=False)
    fetch.add_argument("model", choices=[name for name, e in CATALOGUE.items() if e.repository])
    check = commands.add_parser("check", help="check the worker's Python", allow_abbrev=False)
    check.add_argument("--python", default="", metavar="PATH", help="the Python to check")
    return parser


def add_generate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `generate`; every setting of `config.py` has one."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="reference picture (front)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.glb", help="mesh to write")
    for view in _VIEWS:
        parser.add_argument(
            f"--image-{view}", type=Path, metavar="IMAGE", help=f"picture from the {view}"
        )
    presets = sorted(path.stem for path in PRESET_FOLDER.glob("*.json"))
    parser.add_argument("--preset", metavar="NAME", help=f"start from: {', '.join(presets)}")
    parser.add_argument("--device", default="auto", help="auto, cuda:0, mps or cpu (default: auto)")
    parser.add_argument("--json", action="store_true", dest="is_json", help="print one JSON line")
    settings = parser.add_argument_group("settings")
    for name, (_, item) in setting_names().items():
        meta = item.metadata
        allowed = ", ".join(meta["choices"]) or f"{meta['min']} to {meta['max']}"
        settings.add_argument(
            FLAGS.get(name, f"--{name.replace('_', '-')}"),
            dest=name,
            type=type(item.default),
            default=argparse.SUPPRESS,
            metavar=name.rpartition("_")[2].upper(),
            help=f"{meta['text']}: {allowed} (default: {item.default})".replace("%", "%%"),
        )


def read_request(args: argparse.Namespace) -> GenerateRequest:
    """The request of parsed `generate` arguments.

    Raises:
        InputError: A setting is out of range, there is no such preset, or `--out` cannot be
            written.
    """
    given: dict[str, Any] = vars(args)
    config = load_preset(args.preset) if args.preset else JobConfig()
    config = overlay(config, {name: given[name] for name in setting_names() if name in given})
    others = {view: given[f"image_{view}"] for view in _VIEWS if given[f"image_{view}"]}
    _check_out(args.out)
    return GenerateRequest(
        {"front": args.image, **others}, config, args.out, args.device, args.is_json
    )


def run_job(
    request: GenerateRequest,
    make_worker: MakeWorker,
    job_root: Path,
    on_progress: Callable[[ProgressEvent], None],
) -> Result:
    """Run a request's job to its end and wait for it.

    Args:
        request: What to make; `out` is not written here.
        make_worker: Device name -> worker that is not started.
        job_root: Folder for the job's folder, which holds the result's files.
        on_progress: Called with every new report.

    Raises:
        MaquetteError: The job failed.
    """
    queue = JobQueue(lambda: make_worker(request.device), job_root)
    try:
        job = queue.submit(list(request.images.values()), list(request.images), request.config)
        seen: ProgressEvent | None = None
        while not job.is_finished:
            queue.poll()
            if job.progress is not None and job.progress is not seen:
                seen = job.progress
                on_progress(seen)
            time.sleep(_POLL_S)
    finally:
        queue.close()
    return _result_of(job)


def save_result(result: Result, out: Path) -> None:
    """Copy the mesh to its place; the file appears whole or not at all.

    Raises:
        InputError: The place cannot be written.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.copyfile(result.glb_path, part)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritable(out, error) from error


def _generate(
    request: GenerateRequest, make_worker: MakeWorker, on_result: OnResult | None
) -> None:
    """Run the job in a temporary folder, which stays only when its log is of use."""
    root = Path(tempfile.mkdtemp(prefix="maquette-"))
    try:
        result = run_job(request, make_worker, root, _Reporter(request.is_json).report)
        save_result(result, request.out)
        if on_result is not None:
            on_result(request, result)
    except MaquetteError as error:
        if type(error) is MaquetteError:
            logs = [str(path) for path in root.glob("*/job.log")]
            raise MaquetteError(error.message, f"{error.hint} Log: {', '.join(logs)}") from error
        shutil.rmtree(root, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    shutil.rmtree(root, ignore_errors=True)
    _print_result(request, result)


class _Reporter:
    """Prints each stage when it starts."""

    def __init__(self, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._stage = ""

    def report(self, event: ProgressEvent) -> None:
        if event.stage != self._stage and not self._is_silent:
            print(f"{STAGE_TEXTS.get(event.stage, event.stage.capitalize())} ...", flush=True)
        self._stage = event.stage


def _print_result(request: GenerateRequest, result: Result) -> None:
    if request.is_json:
        line = {
            "out": str(request.out),
            "seconds": result.seconds,
            "faces": result.faces,
            "vertices": result.vertices,
            "seed": result.seed,
            "model": request.config.model,
            "warnings": result.warnings,
        }
        print(json.dumps(line))
        return
    for warning in result.warnings:
        print(f"Note: {warning}")
    total = sum(result.seconds.values())
    print(f"Wrote {request.out}: {result.faces} faces, seed {result.seed}, {total:.1f} s.")


def _list_models() -> None:
    """Print each model, whether its weights are here, and their licence."""
    folder = find_models_folder()
    for entry in CATALOGUE.values():
        is_here = entry.is_embedded or weights_path(entry, folder).is_file()
        print(f"{entry.name:20}{'ready' if is_here else 'not downloaded':16}{entry.licence}")


def _fetch(name: str, is_online_allowed: bool) -> None:
    """Say what the licence asks, then download into the models folder."""
    entry = CATALOGUE[name]
    print(f"{entry.licence}. {entry.terms}")
    path = fetch_weights(entry, find_models_folder(), is_online_allowed, Progress())
    print(f"{name} is ready: {path}")


def _check(python: str) -> None:
    """Say which Python runs the worker and what it has."""
    state = check_environment(find_python(python))
    print(f"python: {state.python}")
    for name, version in state.versions.items():
        print(f"{name} {version}")


def _result_of(job: Job) -> Result:
    """The result of a finished job, or its error."""
    if job.state is JobState.DONE and job.result is not None:
        return job.result
    raise job.error or MaquetteError("The job ended without a result.", "Try again.")


def _check_out(out: Path) -> None:
    """Find out before the work whether its result can be written.

    Raises:
        InputError: Wrong suffix, or the folder is missing or cannot be written.
    """
    if out.suffix.lower() != ".glb":
        raise InputError(f"--out must name a .glb file, not '{out.name}'.", "Example: chair.glb")
    if out.is_dir():
        raise InputError(f"--out is a folder: {out}.", "Name a file in it.")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    return InputError(f"{out} cannot be written: {reason}.", "Choose an existing, writable folder.")
