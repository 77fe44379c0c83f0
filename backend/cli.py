# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns command-line words into jobs and their results into files, lines and exit codes.

Exit codes: 0 done, 2 bad input (a line on stderr for each mistake), 1 any other error (one line)
or failed jobs of a batch, 130 Ctrl-C.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from .batch.command import Hooks, read_batch_request, run_batch
from .batch.events import Event, Narrator, Refused, encode_event
from .batch.interrupts import Interrupts
from .client.arguments import FLAGS, JobRequest, Parser, make_parser, read_request, unwritable
from .client.environment import (
    Places,
    check_environment,
    find_models_folder,
    find_python,
    keep_caches_inside,
)
from .client.in_process import InProcess
from .client.queue import Job, JobQueue, JobState, Transport
from .errors import InputError, MaquetteError
from .progress import Progress
from .protocol import ProgressEvent, Result
from .weights.catalogue import CATALOGUE, PAINT_CATALOGUE
from .weights.hub import fetch_weights, has_weights

__all__ = ["FLAGS", "JobRequest", "Parser", "main", "make_parser", "read_request", "report_error"]

MakeWorker = Callable[[str], Transport]
OnResult = Callable[[JobRequest, Result], None]
STAGE_TEXTS = {
    "read": "Reading the files",
    "load": "Loading the model",
    "prepare": "Cutting out the object",
    "encode": "Looking at the picture",
    "sample": "Sampling the shape",
    "compare": "Comparing the candidates",
    "decode": "Evaluating the surface",
    "mesh": "Building the mesh",
    "unwrap": "Unfolding the surface",
    "delight": "Removing light and shadow",
    "align": "Comparing the picture with the mesh",
    "render": "Looking at the mesh",
    "paint": "Painting",
    "bake": "Baking the texture",
    "write": "Writing the mesh",
    "thumbnail": "Drawing small pictures",
}
_JOBS = ("generate", "retexture", "bake")
_POLL_S = 0.02


def main(
    argv: Sequence[str] | None = None,
    prog: str = "python -m backend",
    make_worker: MakeWorker | None = None,
    on_result: OnResult | None = None,
    is_online_allowed: bool = True,
    hooks: Hooks | None = None,
    places: Places | None = None,
) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; None takes the process's own.
        prog: The program's name in help texts.
        make_worker: Device name -> worker that is not started; None takes one in this process,
            and for `batch` a process of its own, which may die.
        on_result: Called with a finished job while the job's files are still there.
        is_online_allowed: Whether `fetch` may download.
        hooks: What `batch` does besides.
        places: Where models and the worker's Python are; None: the usual places.

    Returns:
        The exit code.
    """
    places = places or Places()
    try:
        args = make_parser(prog).parse_args(argv)
        if args.command in _JOBS:
            _do_job(read_request(args), make_worker or InProcess, on_result)
        elif args.command == "batch":
            return _do_batch(args, make_worker, hooks)
        elif args.command == "models":
            _list_models(find_models_folder(places.models_folder))
        elif args.command == "fetch":
            _fetch(args.model, find_models_folder(places.models_folder), is_online_allowed)
        else:
            _check(find_python(args.python, places.python))
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


def run_job(
    request: JobRequest,
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
        pictures, views = list(request.images.values()), list(request.images)
        job = queue.submit(pictures, views, request.config, request.task)
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
        raise unwritable(out, error) from error


def _do_job(request: JobRequest, make_worker: MakeWorker, on_result: OnResult | None) -> None:
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


def _do_batch(args: argparse.Namespace, make_worker: MakeWorker | None, hooks: Hooks | None) -> int:
    """Run a batch; its events go to stdout, errors of the list also to stderr."""
    request = read_batch_request(args)
    narrator = Narrator(_say, STAGE_TEXTS)

    def on_event(event: Event) -> None:
        if isinstance(event, Refused):
            _say(f"{event.place}: {event.message} {event.hint}", sys.stderr)
        if request.is_json:
            _say(encode_event(event))
        else:
            narrator.tell(event)

    def on_first() -> None:
        _say("Stopping after this job; press Ctrl-C again to stop at once.", sys.stderr)

    return run_batch(request, make_worker, on_event, Interrupts(on_first), hooks or Hooks())


def _say(line: str, stream: TextIO | None = None) -> None:
    """Print a line whatever is in it; a reader who has gone away does not end the work."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = line.encode(encoding, "backslashreplace").decode(encoding)
    with contextlib.suppress(BrokenPipeError):
        print(text.replace("\n", " "), file=stream, flush=True)


class _Reporter:
    """Prints each stage when it starts."""

    def __init__(self, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._stage = ""

    def report(self, event: ProgressEvent) -> None:
        if event.stage != self._stage and not self._is_silent:
            print(f"{STAGE_TEXTS.get(event.stage, event.stage.capitalize())} ...", flush=True)
        self._stage = event.stage


def _print_result(request: JobRequest, result: Result) -> None:
    if request.is_json:
        line = {
            "out": str(request.out),
            "seconds": result.seconds,
            "faces": result.faces,
            "vertices": result.vertices,
            "seed": result.seed,
            "model": request.config.model,
            "paint_model": request.config.paint.paint_model,
            "warnings": result.warnings,
            "texture_size": result.texture_size,
            "is_new_uv": result.is_new_uv,
            "coverage": result.coverage,
            "confidence": result.confidence,
        }
        print(json.dumps(line))
        return
    for warning in result.warnings:
        print(f"Note: {warning}")
    total = sum(result.seconds.values())
    print(f"Wrote {request.out}: {result.faces} faces, seed {result.seed}, {total:.1f} s.")


def _list_models(folder: Path) -> None:
    """Print each model, what it makes, whether its weights are here, and their licence."""
    for use, catalogue in (("shapes", CATALOGUE), ("paint", PAINT_CATALOGUE)):
        for entry in catalogue.values():
            state = "ready" if has_weights(entry, folder) else "not downloaded"
            print(f"{entry.name:26}{use:8}{state:16}{entry.licence}")


def _fetch(name: str, folder: Path, is_online_allowed: bool) -> None:
    """Say what the licence asks, then download into the models folder."""
    entry = PAINT_CATALOGUE[name] if name in PAINT_CATALOGUE else CATALOGUE[name]
    print(f"{entry.licence}. {entry.terms}")
    keep_caches_inside(folder)
    path = fetch_weights(entry, folder, is_online_allowed, Progress())
    print(f"{name} is ready: {path}")


def _check(python: Path) -> None:
    """Say which Python runs the worker and what it has."""
    state = check_environment(python)
    print(f"python: {state.python}")
    for name, version in state.versions.items():
        print(f"{name} {version}")
    print(f"device: {state.device}")


def _result_of(job: Job) -> Result:
    """The result of a finished job, or its error."""
    if job.state is JobState.DONE and job.result is not None:
        return job.result
    raise job.error or MaquetteError("The job ended without a result.", "Try again.")
