# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns this package into a Blender extension: registers its classes, data and handlers."""

from . import (
    command,
    handlers,
    operators,
    panels,
    preferences,
    properties,
    session,
    translations,
)

# In the order of registration; unregistered backwards.
MODULES = (
    translations,
    properties,
    preferences,
    session,
    operators,
    panels,
    handlers,
    command,
)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled: the exact mirror of `register`."""
    for module in reversed(MODULES):
        module.unregister()
