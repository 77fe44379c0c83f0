# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the words of `batch` into a run: read the list, check all, work, report, exit code."""

import argparse
import functools
import importlib.util
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..client.environment import PACKAGE_ROOT, find_models_folder, find_python
from ..client.queue import JobQueue, Transport
from ..client.worker_process import WorkerProcess
from ..config import setting_names
from ..errors import InputError, MaquetteError, ModelMissingError
from ..weights.catalogue import CATALOGUE, PAINT_CATALOGUE
from ..weights.hub import has_weights
from .events import Event, Finished, OnEvent, Planned, Refused, Skipped
from .files import lock, place_bytes
from .interrupts import Interrupts
from .local import LocalBatch, count_states
from .manifest import FILE_NAME as MANIFEST_NAME
from .manifest import ListHeader, Manifest, read_manifest
from .plan import BatchJob, Defaults, read_plan
from .report import FILE_NAME as REPORT_NAME
from .report import make_report
from .work import Extra, Place, digest_list, find_strangers, is_whole, set_aside, tell_time

MakeWorker = Callable[[str], Transport]
_REPORT_INTERVAL_S = 30.0
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What was asked for.

    Attributes:
        source: The list.
        out: The output folder; made if it is not there.
        defaults: Settings of jobs that do not name others.
        is_resumed: Go on with what an earlier run left.
        is_json: Print JSON lines.
        device: Name of the device, or "auto".
        retries: How often a job is tried again after its worker died.
    """

    source: Path
    out: Path
    defaults: Defaults
    is_resumed: bool = False
    is_json: bool = False
    device: str = "auto"
    retries: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A run, as its hooks see it.

    Attributes:
        jobs: What the list asks for, in its order.
        place: Where the results are.
        manifest: What became of them.
    """

    jobs: Sequence[BatchJob]
    place: Place
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Hooks:
    """What Blender adds to a batch.

    Attributes:
        extras: Further files of each job.
        on_checked: Called before any work; may raise `InputError`.
        on_finished: Called when no job is left to do.
        models_folder: Where downloaded models lie; None: where the environment says.
    """

    extras: Sequence[Extra] = ()
    on_checked: Callable[[Batch], None] | None = None
    on_finished: Callable[[Batch], None] | None = None
    models_folder: Path | None = None


@dataclass(slots=True)
class _ChildMaker:
    """Makes worker processes; each has a log of its own, as a dead one's is named in its error."""

    folder: Path
    made: int = 0

    def __call__(self, device: str) -> Transport:
        """A worker that is not started.

        Raises:
            SetupError: There is no Python for it.
        """
        has_torch = importlib.util.find_spec("torch") is not None
        python = Path(sys.executable) if has_torch and sys.executable else find_python()
        self.made += 1
        log_path = self.folder / f"worker-{self.made}.log"
        return WorkerProcess(python, log_path, ["--device", device])


@dataclass(slots=True)
class _Clock:
    """Seconds since the run began, and when the report was written."""

    started: float = field(default_factory=time.monotonic)
    reported: float = field(default_factory=time.monotonic)


def run_batch(
    request: BatchRequest,
    make_worker: MakeWorker | None,
    on_event: OnEvent,
    interrupts: Interrupts,
    hooks: Hooks,
) -> int:
    """Do all that a list asks for.

    Args:
        request: What to do.
        make_worker: Device name -> worker that is not started; None: a process of this Python, or
            of the one that was set up if this one lacks torch.
        on_event: Is told what happens.
        interrupts: Says when to stop.
        hooks: What is to be done besides.

    Returns:
        The exit code: 0 all done, 1 some failed, 2 errors in the list, 130 stopped.

    Raises:
        InputError: The list or the folder cannot be used; nothing was done.
        MaquetteError: The run cannot go on.
    """
    models_folder = find_models_folder(hooks.models_folder)
    find_missing = functools.partial(find_missing_model, models_folder)
    plan = read_plan(request.source, request.defaults, find_missing)
    if plan.errors:
        for error in plan.errors:
            on_event(Refused.of_error(error))
        return 2
    place = Place(request.out.absolute(), hooks.extras, read_version())
    place.make_folders()
    make = make_worker or _ChildMaker(place.lock_path.parent)
    with lock(place.lock_path), interrupts.listen():
        batch = Batch(plan.jobs, place, read_manifest(place.folder / MANIFEST_NAME))
        _check_folder(request, batch, hooks)
        try:
            return _run_checked(request, batch, make, on_event, interrupts, hooks)
        except InputError as error:  # not of the list any more: work has begun
            raise MaquetteError(error.message, error.hint) from error


def read_batch_request(args: argparse.Namespace) -> BatchRequest:
    """The request of parsed arguments of `batch`.

    Raises:
        InputError: The number of tries is negative.
    """
    if args.retries < 0:
        raise InputError(f"--retries {args.retries} is negative.", "Use 0 or more.")
    given = vars(args)
    settings = {name: given[name] for name in setting_names() if name in given}
    return BatchRequest(
        args.jobs,
        args.out,
        Defaults(args.preset or "", settings),
        args.is_resumed,
        args.is_json,
        args.device,
        args.retries,
    )


def find_missing_model(folder: Path, job: BatchJob) -> MaquetteError | None:
    """Which weights of a job are not in the models folder, if any."""
    needed = [CATALOGUE[job.config.model]] if job.task.kind == "generate" else []
    if job.config.texture.texture == "paint":
        needed.append(PAINT_CATALOGUE[job.config.paint.paint_model])
    for entry in needed:
        if not has_weights(entry, folder):
            return ModelMissingError(
                f"The weights of '{entry.name}' are not on this machine.",
                f"Download them with: python -m backend fetch {entry.name}",
            )
    return None


def read_version() -> str:
    """The version of Maquette, as its manifest says."""
    text = (PACKAGE_ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["version"]


def _check_folder(request: BatchRequest, batch: Batch, hooks: Hooks) -> None:
    """Refuse to mix two lists, or to write over what is not ours.

    Raises:
        InputError: Says which.
    """
    manifest, place = batch.manifest, batch.place
    if manifest.path.exists() and not request.is_resumed:
        header = manifest.header
        if header is None or header.digest != digest_list(batch.jobs):
            whose = f"{header.source}, {header.jobs} jobs" if header else "unreadable"
            raise InputError(
                f"'{request.out}' holds the results of another list ({whose}).",
                "Choose another folder, or add --resume: what is finished and the same is kept, "
                "everything else is done anew.",
            )
    if strangers := find_strangers(batch.jobs, manifest, place):
        shown = ", ".join(strangers[:_MOST_NAMED])
        more = f" and {len(strangers) - _MOST_NAMED} more" if len(strangers) > _MOST_NAMED else ""
        raise InputError(
            f"'{request.out}' has files of the same names already: {shown}{more}.",
            "Move them away, or choose another folder.",
        )
    if hooks.on_checked is not None:
        hooks.on_checked(batch)


def _run_checked(
    request: BatchRequest,
    batch: Batch,
    make_worker: MakeWorker,
    on_event: OnEvent,
    interrupts: Interrupts,
    hooks: Hooks,
) -> int:
    """Do what is not finished; the exit code.

    Raises:
        MaquetteError: The run cannot go on.
    """
    place, manifest, clock = batch.place, batch.manifest, _Clock()
    waiting = _begin_run(request, batch, on_event)

    def pass_on(event: Event) -> None:
        on_event(event)
        if time.monotonic() - clock.reported > _REPORT_INTERVAL_S:
            _write_report(request, batch, clock)

    queue = JobQueue(lambda: make_worker(request.device), place.job_root)
    local = LocalBatch(place, manifest, queue, interrupts, pass_on, request.retries)
    try:
        local.run(waiting)
        done, failed, left = count_states(batch.jobs, manifest)
        if not left and hooks.on_finished is not None:
            hooks.on_finished(batch)
    finally:
        _write_report(request, batch, clock)
    seconds = round(time.monotonic() - clock.started, 3)
    skipped, report = len(batch.jobs) - len(waiting), str(place.folder / REPORT_NAME)
    on_event(Finished(done, skipped, failed, left, seconds, report))
    return 130 if left else int(failed > 0)


def _begin_run(request: BatchRequest, batch: Batch, on_event: OnEvent) -> list[BatchJob]:
    """Clean up after an earlier run and start a new one in the manifest; the jobs to do.

    Raises:
        MaquetteError: A file cannot be written.
    """
    jobs, place, manifest = batch.jobs, batch.place, batch.manifest
    place.clean_up(jobs)
    kept = [job.name for job in jobs if _is_kept(job, request, batch)]
    names = set(kept)
    waiting = [job for job in jobs if job.name not in names]
    for job in waiting:
        set_aside(job, manifest.records.get(job.name), place)
    digest = digest_list(jobs)
    header = ListHeader(digest, request.source.name, len(jobs), place.version, tell_time())
    manifest.begin(header, request.is_resumed, names)
    on_event(Planned(len(jobs), len(kept)))
    for name in kept:
        on_event(Skipped(name))
    return waiting


def _is_kept(job: BatchJob, request: BatchRequest, batch: Batch) -> bool:
    if not request.is_resumed:
        return False
    return is_whole(job, batch.manifest.records.get(job.name), batch.place)


def _write_report(request: BatchRequest, batch: Batch, clock: _Clock) -> None:
    """Write the page anew.

    Raises:
        MaquetteError: It cannot be written.
    """
    seconds = time.monotonic() - clock.started
    page = make_report(request.source.name, batch.jobs, batch.manifest, batch.place, seconds)
    path = batch.place.folder / REPORT_NAME
    try:
        place_bytes(page, path)
    except OSError as error:
        raise MaquetteError(
            f"'{path}' cannot be written: {error.strerror or error}.", "Make room, then try again."
        ) from error
    clock.reported = time.monotonic()
