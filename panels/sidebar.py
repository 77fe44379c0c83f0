# SPDX-License-Identifier: GPL-3.0-or-later
"""Where all panels of the extension are, and how their settings stand."""

import bpy


class Sidebar:
    """The tab Maquette of the 3D viewport's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


def make_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column of settings: names on the left, values on the right, no dots for animation."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column
