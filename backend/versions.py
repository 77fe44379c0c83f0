# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns this Python into the versions of what decides a result."""

import platform
from importlib import metadata

_PACKAGES = ("torch", "numpy", "safetensors", "pillow", "scikit-image", "fast-simplification")


def read_versions() -> dict[str, str]:
    """Python and the packages that decide a result, as far as they are there: name -> version."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
