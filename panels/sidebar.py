# SPDX-License-Identifier: GPL-3.0-or-later
"""Where all panels of the extension are."""


class Sidebar:
    """The tab Maquette of the 3D viewport's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
