# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the preferences that says where the worker's environment and the models are."""

import bpy


class WorkerPreferences:
    """Mixed into the preferences: the environment's state, and how it is made."""

    python_path: bpy.props.StringProperty(
        name="Use This Python Instead",
        description="A Python that has PyTorch and the other packages, for those who manage their "
        "own; empty: the environment that Maquette installs",
        subtype="FILE_PATH",
    )
    base_python: bpy.props.StringProperty(
        name="Install With",
        description="The Python that the environment is made with, 3.11 to 3.13; empty: Blender's",
        subtype="FILE_PATH",
    )
    environment_folder: bpy.props.StringProperty(
        name="Environment Folder",
        description="Where the environment is made, in a folder of its own; some GB. Empty: the "
        "extension's folder, which is removed together with the extension",
        subtype="DIR_PATH",
    )
    torch_index: bpy.props.StringProperty(
        name="PyTorch Index",
        description="Address of a package index with more builds of PyTorch than pip's own has; "
        "{build} in it becomes the name of the build for this machine, for example cu130",
    )
    models_folder: bpy.props.StringProperty(
        name="Models Folder",
        description="Keeps downloaded models; empty: the extension's folder",
        subtype="DIR_PATH",
    )
    show_installation: bpy.props.BoolProperty(
        name="Installation Options", description="Show how the environment is made"
    )

    def draw_worker(self, column: bpy.types.UILayout) -> None:
        """Draw the environment's state with its buttons, then these preferences."""
        column.menu_contents("MAQUETTE_MT_environment")
        icon = "DOWNARROW_HLT" if self.show_installation else "RIGHTARROW"
        row = column.row()
        row.use_property_split = False
        row.alignment = "LEFT"
        row.prop(self, "show_installation", icon=icon, emboss=False)
        if self.show_installation:
            for name in ("base_python", "environment_folder", "torch_index", "python_path"):
                column.prop(self, name)
        column.separator()
        column.prop(self, "models_folder")
