# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns method calls into jobs in this process: the same interface and messages, no child.

For programs whose own Python has torch: the command line and background Blender. Importing this
module loads nothing heavy; `start` does.
"""

import functools
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SetupError, WorkerDiedError
from ..protocol import Cancel, Message, Shutdown, Submit, Unload
from .environment import find_models_folder, keep_caches_inside, let_threads_sleep

if TYPE_CHECKING:
    from ..worker import LoadNetworks, LoadPaintNetworks, Worker


class InProcess:
    """A worker in a thread of this process.

    Args:
        device: Name of the device, or "auto".
        load: Makes the networks of a shape model; None takes the product's families.
        load_paint: The same for a painting model.
        models_folder: Downloaded models and caches; None takes `environment.find_models_folder`.
    """

    def __init__(
        self,
        device: str = "auto",
        load: "LoadNetworks | None" = None,
        load_paint: "LoadPaintNetworks | None" = None,
        models_folder: Path | None = None,
    ) -> None:
        self._device = device
        self._models_folder = models_folder
        self._load = load
        self._load_paint = load_paint
        self._inbox: queue.Queue[Message] = queue.Queue()
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread takes jobs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Load the worker's code and start its thread.

        Raises:
            SetupError: This Python lacks a package that the worker needs.
            InputError: There is no such device.
        """
        let_threads_sleep()
        keep_caches_inside(self._models_folder)
        try:
            from ..pipelines.families import load_networks, load_paint_networks
            from ..weights.digest import weights_digest
            from ..worker import Worker
        except ImportError as error:
            raise SetupError(
                f"This Python cannot run the models: {error}.",
                "Use the Python of the worker's environment.",
            ) from error
        folder = find_models_folder(self._models_folder)
        load = self._load or functools.partial(load_networks, folder=folder)
        load_paint = self._load_paint or functools.partial(load_paint_networks, folder=folder)
        identify = functools.partial(weights_digest, folder=folder)
        self._worker = Worker(self._inbox.put, load, load_paint, self._device, identify=identify)
        self._thread = threading.Thread(target=self._worker.run, daemon=True)
        self._thread.start()

    def poll(self) -> list[Message]:
        """What the worker said since the last call.

        Raises:
            WorkerDiedError: The thread has ended and all that it said was handed out.
        """
        messages = [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        if not messages and not self.is_running and self._inbox.empty():
            raise WorkerDiedError("The worker has ended.", "The next job starts a new one.")
        return messages

    def submit(self, job: Submit) -> None:
        """Hand over a job."""
        self._send(job)

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop that job before its next step."""
        self._send(Cancel(job_id))

    def unload(self) -> None:
        """Ask the worker to free its models."""
        self._send(Unload())

    def shutdown(self, timeout_s: float = 3.0) -> None:
        """Stop the running job at its next step and wait for the thread, at most so long."""
        if self._worker is not None and self._thread is not None:
            self._worker.receive(Shutdown())
            self._thread.join(timeout_s)

    def kill(self) -> None:
        """A thread cannot be killed: it ends at its next step, and is no longer heard."""
        self.shutdown(0.0)

    def _send(self, message: Message) -> None:
        if self._worker is None:
            raise WorkerDiedError("The worker was not started.", "Start it first.")
        self._worker.receive(message)
