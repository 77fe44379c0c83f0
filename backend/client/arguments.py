# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns command-line words into requests: the parser of all commands."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..config import PRESET_FOLDER, JobConfig, load_preset, overlay, setting_names
from ..errors import InputError
from ..weights.catalogue import CATALOGUE, PAINT_CATALOGUE
from .queue import GENERATE, Task

# Flags that are not simply the setting's name.
FLAGS = {"target_faces": "--faces"}
OTHER_VIEWS = ("left", "back", "right")
_PAINT_GROUPS = ("image", "paint", "unwrap", "bake")
_PAINT_NAMES = ("seed", "texture", "crease_deg")
_BAKE_GROUPS = ("unwrap", "bake")
_BAKE_NAMES = ("crease_deg",)
_MESH_KINDS = ".glb, .gltf, .obj, .ply or .stl"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What was asked for.

    Attributes:
        images: View ("front", "left", "back", "right") -> picture; none for "bake".
        config: The settings.
        out: The .glb file to write.
        device: Name of the device, or "auto".
        is_json: Print one JSON line instead of progress.
        task: What to do.
    """

    images: dict[str, Path]
    config: JobConfig
    out: Path
    device: str
    is_json: bool
    task: Task = GENERATE


class Parser(argparse.ArgumentParser):
    """Reports wrong words as an `InputError` instead of a usage text and an exit."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}.", f"See: {self.prog} --help")


def make_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog=prog, description="Turn a picture into a textured 3D mesh.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text, add in (
        ("generate", "make a textured mesh from a picture", add_generate_arguments),
        ("retexture", "paint a mesh from a picture", add_retexture_arguments),
        ("bake", "bake painted views into a mesh's texture", add_bake_arguments),
        ("batch", "make all that a list asks for", add_batch_arguments),
    ):
        add(commands.add_parser(name, help=text, allow_abbrev=False))
    commands.add_parser("models", help="list the models", allow_abbrev=False)
    fetch = commands.add_parser("fetch", help="download a model's weights", allow_abbrev=False)
    published = [e.name for e in (*CATALOGUE.values(), *PAINT_CATALOGUE.values()) if e.repository]
    fetch.add_argument("model", choices=published)
    check = commands.add_parser("check", help="check the worker's Python", allow_abbrev=False)
    check.add_argument("--python", default="", metavar="PATH", help="the Python to check")
    return parser


def add_generate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `generate`; every setting of `config.py` has one."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="reference picture (front)")
    _add_common_arguments(parser)
    _add_view_arguments(parser)
    _add_all_settings(parser, "settings")


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `batch`; the settings are those of jobs that do not say otherwise."""
    parser.add_argument(
        "jobs",
        type=Path,
        metavar="JOBS",
        help="folder of pictures, .csv or .jsonl file, see docs/manual/batch.md",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument(
        "--resume",
        action="store_true",
        dest="is_resumed",
        help="keep what is finished, do the rest",
    )
    _add_machine_arguments(parser, "print one JSON object per event")
    parser.add_argument(
        "--retries",
        type=int,
        default=1,
        metavar="N",
        help="how often a job is tried again when its worker process ends (default: 1)",
    )
    _add_all_settings(parser, "settings of jobs that do not say otherwise")


def add_retexture_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `retexture`."""
    parser.add_argument("mesh", type=Path, metavar="MESH", help=f"mesh to paint: {_MESH_KINDS}")
    parser.add_argument(
        "--image", type=Path, required=True, metavar="IMAGE", help="reference picture (front)"
    )
    _add_common_arguments(parser)
    _add_view_arguments(parser)
    parser.add_argument(
        "--base-texture", type=Path, metavar="PNG", help="texture that the mesh has now"
    )
    parser.add_argument(
        "--texel-mask", type=Path, metavar="PNG", help="paint only where this picture is bright"
    )
    _add_uv_arguments(parser)
    settings = parser.add_argument_group("settings")
    _add_settings(settings, lambda group, name: group in _PAINT_GROUPS or name in _PAINT_NAMES)


def add_bake_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `bake`."""
    parser.add_argument("mesh", type=Path, metavar="MESH", help=f"mesh to texture: {_MESH_KINDS}")
    parser.add_argument(
        "--views",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with cameras.json and pictures, see docs/views.md",
    )
    _add_common_arguments(parser)
    _add_uv_arguments(parser)
    settings = parser.add_argument_group("settings")
    _add_settings(settings, lambda group, name: group in _BAKE_GROUPS or name in _BAKE_NAMES)


def read_request(args: argparse.Namespace) -> JobRequest:
    """The request of parsed arguments of `generate`, `retexture` or `bake`.

    Raises:
        InputError: A setting is out of range, there is no such preset, or `--out` cannot be
            written.
    """
    given: dict[str, Any] = vars(args)
    config = load_preset(given["preset"]) if given.get("preset") else JobConfig()
    config = overlay(config, {name: given[name] for name in setting_names() if name in given})
    _check_out(args.out)
    images = {} if args.command == "bake" else {"front": args.image}
    for view in OTHER_VIEWS:
        if given.get(f"image_{view}"):
            images[view] = given[f"image_{view}"]
    return JobRequest(images, config, args.out, args.device, args.is_json, _read_task(args))


def unwritable(out: Path, error: OSError) -> InputError:
    """What to say of a place that cannot be written."""
    reason = error.strerror or str(error)
    return InputError(f"{out} cannot be written: {reason}.", "Choose an existing, writable folder.")


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.glb", help="mesh to write")
    _add_machine_arguments(parser, "print one JSON line")


def _add_machine_arguments(parser: argparse.ArgumentParser, json_text: str) -> None:
    parser.add_argument("--device", default="auto", help="auto, cuda:0, mps or cpu (default: auto)")
    parser.add_argument("--json", action="store_true", dest="is_json", help=json_text)


def _add_all_settings(parser: argparse.ArgumentParser, title: str) -> None:
    """Add a flag for the preset and for every setting."""
    presets = sorted(path.stem for path in PRESET_FOLDER.glob("*.json"))
    parser.add_argument("--preset", metavar="NAME", help=f"start from: {', '.join(presets)}")
    settings = parser.add_argument_group(title)
    _add_settings(settings, lambda group, name: True)
    settings.add_argument(
        "--no-texture",
        action="store_const",
        const="none",
        dest="texture",
        default=argparse.SUPPRESS,
        help="leave the mesh bare",
    )


def _add_view_arguments(parser: argparse.ArgumentParser) -> None:
    for view in OTHER_VIEWS:
        parser.add_argument(
            f"--image-{view}", type=Path, metavar="IMAGE", help=f"picture from the {view}"
        )


def _add_uv_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether the mesh's own UV map is used; without a flag, if it can be."""
    choice = parser.add_mutually_exclusive_group()
    for word, text in (("keep", "use the mesh's UV map"), ("new", "make a new UV map")):
        choice.add_argument(
            f"--{word}-uv",
            action="store_const",
            const=word,
            dest="uv",
            default=argparse.SUPPRESS,
            help=text,
        )


def _add_settings(parser: argparse._ArgumentGroup, is_wanted: Callable[[str, str], bool]) -> None:
    """Add a flag for each setting whose group and name are wanted."""
    for name, (group, item) in setting_names().items():
        if not is_wanted(group, name):
            continue
        meta = item.metadata
        allowed = ", ".join(meta["choices"]) or f"{meta['min']} to {meta['max']}"
        parser.add_argument(
            FLAGS.get(name, f"--{name.replace('_', '-')}"),
            dest=name,
            type=type(item.default),
            default=argparse.SUPPRESS,
            metavar=name.rpartition("_")[2].upper(),
            help=f"{meta['text']}: {allowed} (default: {item.default})".replace("%", "%%"),
        )


def _read_task(args: argparse.Namespace) -> Task:
    if args.command == "retexture":
        return Task("retexture", args.mesh, args.base_texture, args.texel_mask)
    if args.command == "bake":
        return Task("bake", args.mesh, views_folder=args.views)
    return GENERATE


def _check_out(out: Path) -> None:
    """Find out before the work whether its result can be written.

    Raises:
        InputError: Wrong suffix, or the folder is missing or cannot be written.
    """
    if out.suffix.lower() != ".glb":
        raise InputError(f"--out must name a .glb file, not '{out.name}'.", "Example: chair.glb")
    if out.is_dir():
        raise InputError(f"--out is a folder: {out}.", "Name a file in it.")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise unwritable(out, error) from error
