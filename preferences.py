# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's preferences: worker environment, device, folder and idle time."""

from pathlib import Path

import bpy

from .backend.errors import InputError
from .preferences_files import FilePreferences
from .preferences_worker import WorkerPreferences

PACKAGE = str(__package__)  # "bl_ext.<repository>.maquette"
DEVICES = (
    ("auto", "Automatic", "The fastest device the worker finds"),
    ("cuda", "NVIDIA or AMD GPU", "Fail rather than run on the processor"),
    ("mps", "Apple GPU", "Fail rather than run on the processor"),
    ("cpu", "Processor", "Slow, but always works"),
)


class MAQUETTE_AP_preferences(WorkerPreferences, FilePreferences, bpy.types.AddonPreferences):
    """Drawn in Edit > Preferences > Add-ons > Maquette."""

    bl_idname = PACKAGE

    job_folder: bpy.props.StringProperty(
        name="Job Folder",
        description="Keeps the pictures, meshes and logs of jobs; empty: the extension's folder",
        subtype="DIR_PATH",
    )
    idle_minutes: bpy.props.IntProperty(
        name="Free Memory After",
        description="Minutes without a job after which the models are unloaded; 0: never",
        default=10,
        min=0,
        max=1440,
    )
    device: bpy.props.EnumProperty(
        name="Device", description="What computes the shape", items=DEVICES, default="auto"
    )

    notify: bpy.props.BoolProperty(
        name="Notify When Done",
        description="Let the system tell when a job has ended, on Linux and macOS; the status bar "
        "always does",
        default=False,
    )

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        self.draw_worker(column)
        column.prop(self, "device")
        column.prop(self, "idle_minutes")
        column.prop(self, "job_folder")
        column.prop(self, "notify")
        self.draw_files(column)


def get_preferences() -> MAQUETTE_AP_preferences:
    """The stored preferences of this extension."""
    stored = bpy.context.preferences.addons[PACKAGE].preferences
    assert isinstance(stored, MAQUETTE_AP_preferences)
    return stored


def get_python_path() -> str:
    """The worker's Python as the user named it, or an empty string."""
    chosen = get_preferences().python_path
    return bpy.path.abspath(chosen) if chosen else ""


def get_environment_folder() -> Path:
    """The folder that the worker's environment is, or will be, alone in."""
    chosen = get_preferences().environment_folder
    if chosen:
        return Path(bpy.path.abspath(chosen)) / "maquette-environment"
    return Path(bpy.utils.extension_path_user(PACKAGE)) / "env"


def get_models_folder() -> Path:
    """The folder of downloaded models and of the caches of the libraries that load them."""
    chosen = get_preferences().models_folder
    if chosen:
        return Path(bpy.path.abspath(chosen))
    return Path(bpy.utils.extension_path_user(PACKAGE)) / "models"


def get_job_folder() -> Path:
    """The folder that holds one sub-folder per job, made if it is missing.

    Raises:
        InputError: It cannot be made.
    """
    chosen = get_preferences().job_folder
    if not chosen:
        return Path(bpy.utils.extension_path_user(PACKAGE, path="jobs", create=True))
    folder = Path(bpy.path.abspath(chosen))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The job folder cannot be made: {error.strerror or error}.",
            "Choose another folder in the preferences.",
        ) from error
    return folder


def register() -> None:
    """Make the preferences known to Blender."""
    bpy.utils.register_class(MAQUETTE_AP_preferences)


def unregister() -> None:
    """Forget the preferences' class; their values stay stored by Blender."""
    bpy.utils.unregister_class(MAQUETTE_AP_preferences)
