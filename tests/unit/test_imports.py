# SPDX-License-Identifier: GPL-3.0-or-later
"""The import rules of the project, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend"
BLENDER_SIDE = ("operators", "panels", "scene")
OUTSIDE = ("tests", "training", "benchmarks", "examples", "packaging", "docs")
# Outside the product, yet packages in themselves.
OWN_PACKAGES = {"examples"}
BLENDER_MODULES = {
    "bpy",
    "bmesh",
    "mathutils",
    "gpu",
    "bl_ui",
    "bl_operators",
    "bl_ext",
    "bpy_extras",
}
STAGES = {
    *("image.prepare", "tokens.encode", "latents.sample", "field.decode", "mesh.build"),
    *("mesh.unwrap", "render.views", "paint.sample", "texture.bake"),
}
STAGE_FOLDERS = {
    *("image", "tokens", "latents", "field", "mesh", "render", "paint", "texture"),
}
LIGHT = {
    *("errors", "config", "data", "progress", "protocol", "versions", "cli", "__main__"),
    *("mesh.io", "mesh.normals", "weights.catalogue", "weights.hub"),
}
LIGHT_FOLDERS = {"client", "batch"}
LAZY_IMPORTS = {"pipelines.families", "client.in_process"}
OPTIONAL_PACKAGES = {"ray", "huggingface_hub", "flash_attn", "onnxruntime", "rembg", "resource"}
# Low to high, twice: what runs in the child process, and what runs in the calling one.
SHARED = ("errors", "config", "data", "progress", "protocol")
CHILD = (*SHARED, "models", "stages", "weights", "pipelines", "worker")
CALLING = (*SHARED, "weights", "client", "batch", "cli", "__main__")


@dataclass(frozen=True)
class Import:
    """One imported module, inside the package by its path from there ("backend.config")."""

    module: str
    is_relative: bool
    is_nested: bool
    line: int
    is_typing_only: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path) -> str:
    """Path from the root as a module name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def name_in_backend(path: Path) -> str:
    return dotted(path).removeprefix("backend.")


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nested, typing_only = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            nested |= set(ast.walk(node))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only |= {child for part in node.body for child in ast.walk(part)}
    for node in ast.walk(tree):
        flags = (node in nested, getattr(node, "lineno", 0), node in typing_only)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, False, *flags)
        elif isinstance(node, ast.ImportFrom):
            for module in from_modules(node, path):
                yield Import(module, node.level > 0, *flags)


def from_modules(node: ast.ImportFrom, path: Path) -> list[str]:
    """Modules of a `from` line; `from .package import module` means the modules."""
    if node.level == 0:
        return [node.module or ""]
    base = dotted(path).split(".")[: -node.level]
    base += node.module.split(".") if node.module else []
    folder = ROOT.joinpath(*base)
    if not folder.is_dir():
        return [".".join(base)]
    return [".".join([*base, alias.name]) for alias in node.names]


def is_light(name: str) -> bool:
    return name in LIGHT or name.partition(".")[0] in LIGHT_FOLDERS


def light_files() -> list[Path]:
    return [
        path
        for path in sources(BACKEND)
        if path.name != "__init__.py" and is_light(name_in_backend(path))
    ]


def blender_files() -> list[Path]:
    inner = [path for folder in BLENDER_SIDE for path in sources(ROOT / folder)]
    return [*sorted(ROOT.glob("*.py")), *inner]


def group_of(name: str) -> str:
    first = name.partition(".")[0]
    return "stages" if first in STAGE_FOLDERS else first


def report(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def test_backend_never_imports_blender():
    report(
        [
            f"{path}:{item.line} imports {item.module}"
            for path in sources(BACKEND)
            for item in imports_of(path)
            if item.top in BLENDER_MODULES
        ]
    )


def test_blender_side_imports_only_light_modules_the_standard_library_and_numpy():
    allowed = sys.stdlib_module_names | BLENDER_MODULES | {"numpy"}
    found = []
    for path in blender_files():
        for item in imports_of(path):
            name = item.module.removeprefix("backend.")
            is_backend = item.is_relative and item.module.startswith("backend.")
            is_wrong = not is_light(name) if is_backend else item.top not in allowed
            if is_wrong and (is_backend or not item.is_relative):
                found.append(f"{path}:{item.line} imports {item.module}")
    report(found)


def test_light_modules_import_only_light_modules_the_standard_library_and_numpy():
    allowed = sys.stdlib_module_names | {"numpy"}
    found = []
    for path in light_files():
        for item in imports_of(path):
            is_excused = item.is_typing_only or (
                item.is_nested and name_in_backend(path) in LAZY_IMPORTS
            )
            name = item.module.removeprefix("backend.")
            is_wrong = not is_light(name) if item.is_relative else item.top not in allowed
            if is_wrong and not is_excused:
                found.append(f"{path}:{item.line} imports {item.module}")
    report(found)


def test_importing_every_light_module_loads_neither_torch_nor_pillow_and_says_nothing():
    names = [dotted(path) for path in light_files()]
    assert len(names) >= 13
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'PIL', 'scipy', 'skimage', 'safetensors', 'bpy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_modules_import_lower_ones_only():
    found = []
    for path in sources(BACKEND):
        own = group_of(name_in_backend(path))
        for item in imports_of(path):
            if not item.is_relative or item.is_typing_only or path.name == "__init__.py":
                continue
            name = item.module.removeprefix("backend.")
            if item.is_nested and name_in_backend(path) == "client.in_process":
                continue  # the one door between the two chains
            other = group_of(name)
            is_below = any(
                own in chain and other in chain and chain.index(other) <= chain.index(own)
                for chain in (CHILD, CALLING)
            )
            if not is_below and not (other == "devices" or own == "devices" or is_light(name)):
                found.append(f"{path}:{item.line} imports {item.module}")
    report(found)


def test_devices_is_imported_by_the_worker_only():
    users = {
        name_in_backend(path)
        for path in sources(BACKEND)
        for item in imports_of(path)
        if item.module == "backend.devices"
    }
    assert users <= {"worker", "pipelines.families"}


def test_stages_import_neither_another_stage_nor_a_model_family():
    found = []
    for path in sources(BACKEND):
        name = name_in_backend(path)
        folder = name.partition(".")[0]
        if folder not in STAGE_FOLDERS:
            continue
        for item in imports_of(path):
            other = item.module.removeprefix("backend.")
            is_other_stage = other in STAGES and other.partition(".")[0] != folder
            is_family = other.startswith("models.") and not other.startswith("models.layers.")
            if item.is_relative and (is_other_stage or is_family):
                found.append(f"{path}:{item.line} imports {item.module}")
    report(found)


def test_models_are_pure_torch():
    allowed = {
        *("torch", "math", "dataclasses", "collections", "typing", "enum", "functools"),
        *("itertools", "abc", "re", "numpy", "__future__"),
    }
    report(
        [
            f"{path}:{item.line} imports {item.module}"
            for path in sources(BACKEND / "models")
            for item in imports_of(path)
            if (item.top not in allowed if not item.is_relative else ".models." not in item.module)
        ]
    )


def test_operators_and_panels_do_not_import_each_other():
    found = []
    for folder, other in (("operators", "panels"), ("panels", "operators")):
        for path in sources(ROOT / folder):
            found += [
                f"{path}:{item.line} imports {item.module}"
                for item in imports_of(path)
                if item.is_relative and item.module.startswith(f"{other}.")
            ]
    report(found)


def test_imports_inside_functions_are_rare_and_known():
    report(
        [
            f"{path}:{item.line} imports {item.module}"
            for path in sources(BACKEND)
            for item in imports_of(path)
            if item.is_nested
            and name_in_backend(path) not in LAZY_IMPORTS
            and item.top not in OPTIONAL_PACKAGES
        ]
    )


def test_package_imports_itself_relatively_and_everybody_else_absolutely():
    found = []
    for path in [*sources(BACKEND), *blender_files()]:
        found += [
            f"{path}:{item.line} imports {item.module} absolutely"
            for item in imports_of(path)
            if not item.is_relative and item.top in {"backend", *BLENDER_SIDE, *OUTSIDE, "maquette"}
        ]
    for folder in OUTSIDE:
        found += [
            f"{path}:{item.line} imports {item.module} relatively"
            for path in sources(ROOT / folder)
            for item in imports_of(path)
            if item.is_relative and item.top not in OWN_PACKAGES & {folder}
        ]
    report(found)


def test_package_files_are_empty_but_for_the_three_that_register():
    for path in sources(BACKEND):
        if path.name == "__init__.py":
            assert path.read_text(encoding="utf-8").count("\n") <= 1, path
    for folder in ("operators", "panels"):
        path = ROOT / folder / "__init__.py"
        if path.exists():
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef):
                    assert node.name in ("register", "unregister"), path
                elif isinstance(node, ast.Assign):
                    assert ast.unparse(node.targets[0]) == "CLASSES", path
                else:
                    assert isinstance(node, (ast.Expr, ast.Import, ast.ImportFrom)), path


def test_importing_the_backend_runs_no_bare_calls():
    report(
        [
            f"{path}:{node.lineno} {ast.unparse(node)[:60]}"
            for path in sources(BACKEND)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
        ]
    )


@pytest.mark.parametrize(
    ("call", "excused"),
    [
        ("print", {"cli"}),
        ("os.environ", {"client.environment"}),
        ("os.getenv", set()),
        ("torch.manual_seed", set()),
        ("torch.set_default_dtype", set()),
        ("torch.set_default_device", set()),
        ("torch.cuda.set_device", set()),
        ("np.random.seed", set()),
        ("functools.cache", set()),
        ("functools.lru_cache", set()),
    ],
)
def test_global_state_is_not_touched(call, excused):
    found = []
    for path in sources(BACKEND):
        if name_in_backend(path) in excused:
            continue
        found += [
            f"{path}:{node.lineno} uses {call}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Attribute, ast.Name)) and ast.unparse(node) == call
        ]
    report(found)


def test_first_line_of_every_file_is_the_licence():
    tag = "# SPDX-License-Identifier: GPL-3.0-or-later"
    folders = [BACKEND, *(ROOT / folder for folder in (*BLENDER_SIDE, *OUTSIDE))]
    files = [*sorted(ROOT.glob("*.py")), *(path for folder in folders for path in sources(folder))]
    wrong = [
        str(path)
        for path in files
        if (text := path.read_text(encoding="utf-8")) and text.splitlines()[0] != tag
    ]
    report(wrong)
