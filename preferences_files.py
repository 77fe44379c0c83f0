# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the preferences that says what is kept of results, and for how long."""

import bpy

_PICTURES = (
    ("packed", "Packed", "Copies of the pictures are stored in the .blend, each picture once"),
    ("linked", "Linked", "The .blend names the picture files; it stays smaller"),
)


class FilePreferences:
    """Mixed into the preferences: drawn below the others."""

    keep_pictures: bpy.props.EnumProperty(
        name="Pictures of Results",
        description="How the .blend keeps the pictures that a result was made from",
        items=_PICTURES,
        default="packed",
    )
    history_length: bpy.props.IntProperty(
        name="History Length",
        description="Most results that a scene's history lists; 0: no history",
        default=20,
        min=0,
        max=200,
    )
    keep_jobs: bpy.props.IntProperty(
        name="Keep Jobs",
        description="How many folders of finished jobs stay in the job folder, the newest ones; "
        "results can be brought back as long as theirs is there. 0: any number",
        default=200,
        min=0,
        max=100_000,
    )
    keep_days: bpy.props.IntProperty(
        name="Keep Days",
        description="Days after which the folder of a finished job is deleted; 0: never",
        default=30,
        min=0,
        max=10_000,
    )

    def draw_files(self, column: bpy.types.UILayout) -> None:
        """Draw these preferences."""
        for name in ("keep_pictures", "history_length", "keep_jobs", "keep_days"):
            column.prop(self, name)
