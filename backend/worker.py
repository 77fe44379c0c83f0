# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns requests into jobs and jobs into events: the main loop of the worker process.

`Worker` knows messages only, so it also runs inside a calling process (`client/in_process.py`);
`main` puts it on the pipes of a process of its own and is the only user of that process's stdout.
"""

import argparse
import functools
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NoReturn

import torch

from . import devices
from .config import EMBEDDED_MODEL, JobConfig, flatten, overlay
from .errors import DeviceMemoryError, InputError, MaquetteError, ProtocolError
from .paint.sample import PaintNetworks
from .pipelines.families import Networks, load_networks, load_paint_networks
from .pipelines.jobs import models_of, run_job, write_result, write_result_thumbnail
from .progress import Progress, Report
from .protocol import (
    PROTOCOL_VERSION,
    Cancel,
    ErrorEvent,
    Hello,
    Message,
    ProgressEvent,
    Result,
    Shutdown,
    Submit,
    Unload,
    Unloaded,
    encode,
    read_messages,
)
from .versions import read_versions
from .weights.digest import weights_digest

LoadNetworks = Callable[[str, torch.device, torch.dtype], Networks]
LoadPaintNetworks = Callable[[str, torch.device, torch.dtype], PaintNetworks]
IdentifyWeights = Callable[[str, str], str]

_log = logging.getLogger(__name__)
# Reports of one stage closer together than this are dropped: no eye needs more.
_REPORT_INTERVAL_S = 0.05
# After the pipe closed, a step that is still running is not waited for longer than this.
_ORPHAN_GRACE_S = 0.7
# Free memory that the networks of one model need beside those of another.
_ROOM_MB, _EMBEDDED_ROOM_MB = 10240, 1024


class ModelCache:
    """The last shape model and the last painting model, both as long as the memory holds them.

    Args:
        load_shape: Makes the networks of a shape model: name, device, dtype -> `Networks`.
        load_paint: The same for a painting model.
        device: Where they go.
    """

    def __init__(
        self, load_shape: LoadNetworks, load_paint: LoadPaintNetworks, device: torch.device
    ) -> None:
        self._load_shape = load_shape
        self._load_paint = load_paint
        self._device = device
        self._shape: tuple[str, Networks] | None = None
        self._paint: tuple[str, PaintNetworks] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no model is loaded."""
        return self._shape is None and self._paint is None

    def load_shape(self, name: str) -> Networks:
        """The networks of a model of `config.MODELS`; another shape model is freed first."""
        if self._shape is None or self._shape[0] != name:
            self._shape = None
            if not self._has_room(name):
                self._paint = None
            devices.release_cache(self._device)
            dtype = devices.choose_dtype(self._device)
            self._shape = name, self._load_shape(name, self._device, dtype)
        return self._shape[1]

    def load_paint(self, name: str) -> PaintNetworks:
        """The networks of a model of `config.PAINT_MODELS`; another such model is freed first."""
        if self._paint is None or self._paint[0] != name:
            self._paint = None
            if not self._has_room(name):
                self._shape = None
            devices.release_cache(self._device)
            dtype = devices.choose_dtype(self._device)
            self._paint = name, self._load_paint(name, self._device, dtype)
        return self._paint[1]

    def clear(self) -> None:
        """Free all models."""
        self._shape = self._paint = None
        devices.release_cache(self._device)

    def _has_room(self, name: str) -> bool:
        """Whether a model fits beside the one that is loaded; where nothing is known, it does."""
        free = devices.free_memory_mb(self._device)
        needed = _EMBEDDED_ROOM_MB if name == EMBEDDED_MODEL else _ROOM_MB
        return free == 0 or free >= needed


class Worker:
    """Runs jobs one after the other and keeps the last models loaded.

    Args:
        send: Takes every message to the caller; may be called from two threads, never at once.
        load: Makes the networks of a shape model: name, device, dtype -> `Networks`.
        load_paint: The same for a painting model.
        device: Name of the device, or "auto".
        idle_s: Seconds without a job after which the model is freed; 0 keeps it.
        identify: What tells a model's weights from others: setting that names it, name -> digest.

    Raises:
        InputError: There is no such device.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        load: LoadNetworks,
        load_paint: LoadPaintNetworks,
        device: str = "auto",
        idle_s: float = 0.0,
        identify: IdentifyWeights = lambda *_: "",
    ) -> None:
        self._send_unlocked = send
        self._identify = identify
        self._send_lock = threading.Lock()
        self._device = devices.choose_device(device)
        self._models = ModelCache(load, load_paint, self._device)
        self._idle_s = idle_s
        self._inbox: queue.Queue[Message] = queue.Queue()
        self._cancels: dict[str, threading.Event] = {}
        self._closed = threading.Event()

    def receive(self, message: Message | ProtocolError) -> None:
        """Take one message, from any thread and at any time; cancel and shutdown act at once."""
        if isinstance(message, Submit) and message.job_id not in self._cancels:
            self._cancels[message.job_id] = threading.Event()
            self._inbox.put(message)
        elif isinstance(message, Unload):
            self._inbox.put(message)
        elif isinstance(message, Shutdown):
            self.close()
        elif isinstance(message, Cancel):
            if event := self._cancels.get(message.job_id):
                event.set()
        elif isinstance(message, ProtocolError):
            self._send(ErrorEvent("", message.code, message.message, message.hint))
        else:
            kind = type(message).__name__
            self._send(ErrorEvent("", ProtocolError.code, f"Unexpected message: {kind}."))

    def close(self) -> None:
        """Stop the running job at its next step and end `run`; from any thread."""
        self._closed.set()
        self._inbox.put(Shutdown())

    def run(self) -> None:
        """Say hello, then work until `close` or a `Shutdown` message."""
        self._send(self._hello())
        while not self._closed.is_set():
            try:
                message = self._inbox.get(timeout=self._idle_s if self._may_idle else None)
            except queue.Empty:
                self._unload()
                continue
            if isinstance(message, Submit):
                self._send(self._answer(message))
            elif isinstance(message, Unload):
                self._unload()
        self._models.clear()

    @property
    def _may_idle(self) -> bool:
        return not self._models.is_empty and self._idle_s > 0

    def _send(self, message: Message) -> None:
        with self._send_lock:
            self._send_unlocked(message)

    def _hello(self) -> Hello:
        names = [str(self._device), *(n for n in devices.list_devices() if n != str(self._device))]
        free = [devices.free_memory_mb(torch.device(name)) for name in names]
        return Hello(PROTOCOL_VERSION, os.getpid(), names, free, read_versions())

    def _unload(self) -> None:
        """Free the loaded models and say so."""
        self._models.clear()
        self._send(Unloaded([devices.free_memory_mb(self._device)]))

    def _answer(self, submit: Submit) -> Result | ErrorEvent:
        """The job's result, or its error in the words of the protocol."""
        try:
            with _job_log(Path(submit.job_folder)):
                return self._run_logged(submit)
        except MaquetteError as error:
            return ErrorEvent(submit.job_id, error.code, error.message, error.hint)
        finally:
            del self._cancels[submit.job_id]

    def _run_logged(self, submit: Submit) -> Result:
        """Run the job; every exception is written to the log and leaves as a `MaquetteError`."""
        try:
            return self._run_job(submit)
        except MaquetteError as error:
            _log.info("ended: %s (%s)", error, error.code, exc_info=error.__cause__)
            raise
        except Exception as error:  # noqa: BLE001 (the worker loop must survive any job)
            _log.exception("failed")
            translated = _translate(error)
        devices.release_cache(self._device)  # the failed job's tensors went with its traceback
        raise translated

    def _run_job(self, submit: Submit) -> Result:
        config = overlay(JobConfig(), submit.settings)
        _log.info("settings: %s", flatten(config))
        _log.info("device: %s, versions: %s", self._device, read_versions())
        devices.reset_peak(self._device)
        progress = self._progress(submit.job_id)
        asset = run_job(submit, config, self._models, progress, self._device)
        with progress.stage("write"):
            result = write_result(asset, submit, config)
        if submit.thumbnail_px > 0:
            with progress.stage("thumbnail"):
                write_result_thumbnail(asset, submit, self._device)
        seconds = {name: round(value, 3) for name, value in progress.seconds.items()}
        _log.info("seconds: %s", seconds)
        _log.info("coverage: %s", asset.coverage)
        _log.info("peak memory: %s MiB", devices.peak_memory_mb(self._device))
        versions = {**read_versions(), "device": str(self._device)}
        models = models_of(submit.kind, config)
        weights = {setting: self._identify(setting, name) for setting, name in models.items()}
        return replace(result, seconds=seconds, versions=versions, weights=weights)

    def _progress(self, job_id: str) -> Progress:
        """Reports that become events, a cancel check that sees `Cancel` and `close`."""
        cancel = self._cancels[job_id]
        last: tuple[str, float] = ("", 0.0)

        def on_report(report: Report) -> None:
            nonlocal last
            now = time.monotonic()
            if (
                report.stage != last[0]
                or report.step == report.of
                or now - last[1] >= _REPORT_INTERVAL_S
            ):
                last = (report.stage, now)
                self._send(
                    ProgressEvent(job_id, report.stage, report.step, report.of, report.seconds_left)
                )

        return Progress(on_report, lambda: cancel.is_set() or self._closed.is_set())


def main(
    argv: Sequence[str] | None = None,
    load: LoadNetworks | None = None,
    load_paint: LoadPaintNetworks | None = None,
) -> NoReturn:
    """Serve the protocol on this process's stdin and stdout, and end the process with it.

    Args:
        argv: Command-line arguments; None takes the process's own.
        load: Makes the networks of a shape model; None: the product's families.
        load_paint: The same for a painting model.
    """
    parser = argparse.ArgumentParser(prog="backend.worker")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--idle-minutes", type=float, default=0.0)
    parser.add_argument("--models-folder", type=Path, default=Path())
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal means the caller
    stdin, stdout = _claim_pipes()
    load = load or functools.partial(load_networks, folder=options.models_folder)
    load_paint = load_paint or functools.partial(load_paint_networks, folder=options.models_folder)
    identify = functools.partial(weights_digest, folder=options.models_folder)
    idle_s = options.idle_minutes * 60
    worker = Worker(_sender(stdout), load, load_paint, options.device, idle_s, identify)
    threading.Thread(target=_listen, args=(stdin, worker), daemon=True).start()
    worker.run()
    sys.stderr.flush()
    os._exit(0)  # the listening thread may sit in a read that nothing can interrupt


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the protocol's descriptors for us alone: fd 0 becomes empty, fd 1 goes to stderr."""
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stdin, stdout


def _sender(stdout: BinaryIO) -> Callable[[Message], None]:
    """Writes messages to the pipe; once the caller is gone they go nowhere."""

    def send(message: Message) -> None:
        try:
            stdout.write(encode(message))
            stdout.flush()
        except OSError:
            _log.warning("the caller is gone")
            os._exit(0)

    return send


def _listen(stdin: BinaryIO, worker: Worker) -> None:
    """Hand on what arrives; when the pipe closes, the caller is dead or done: end soon."""
    try:
        for message in read_messages(stdin):
            worker.receive(message)
    except Exception:  # noqa: BLE001 (a worker that hears nothing must end, and say why)
        _log.exception("listening failed")
    worker.close()
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(0)


@contextmanager
def _job_log(folder: Path) -> Iterator[None]:
    """Copy the package's log records to `job.log` in the job's folder.

    Raises:
        InputError: The folder cannot be written.
    """
    try:
        handler = logging.FileHandler(folder / "job.log", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The job's folder cannot be written: {error.strerror or error}.",
            "Choose another folder in the preferences.",
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logger = logging.getLogger(__package__)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


def _translate(error: Exception) -> MaquetteError:
    """A foreign exception as one sentence and what to do; the details are in the log."""
    if devices.is_out_of_memory(error):
        return DeviceMemoryError(
            "There is not enough memory for this job.",
            "Lower the resolution or the texture's size, choose a smaller model or close other "
            "programs.",
        )
    if isinstance(error, OSError):
        return MaquetteError(
            f"A file could not be read or written: {error.strerror or error}.",
            "Check the free space and the folder, then try again; job.log has the details.",
        )
    return MaquetteError(
        f"The job failed unexpectedly ({type(error).__name__}).", "See job.log for the details."
    )


if __name__ == "__main__":
    main()
