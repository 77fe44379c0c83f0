# SPDX-License-Identifier: GPL-3.0-or-later
import io
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend import cli
from backend.client.in_process import InProcess
from backend.client.queue import JobQueue
from backend.config import JobConfig, flatten, load_preset, setting_names
from backend.errors import SetupError
from tests.unit.pipelines.boxes import SIDES, make_box, texel_of, write_obj, write_views
from tests.worker.tiny_worker import load_tiny, load_tiny_paint

ROOT = Path(__file__).resolve().parents[2]
TINY = partial(InProcess, load=load_tiny, load_paint=load_tiny_paint)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch) -> Path:
    """The folder in which the commands keep their temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def picture(tmp_path) -> Path:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[16:48, 20:44] = (90, 120, 200, 255)
    Image.fromarray(pixels).save(tmp_path / "box.png")
    return tmp_path / "box.png"


def generate(*words: object, make_worker=TINY) -> int:
    """Run `generate` on small grids, without a texture unless one is asked for."""
    line = ["generate", *map(str, words), "--resolution", "64"]
    if "--texture-size" not in line:
        line += ["--no-texture"]
    return cli.main(line, "maquette", make_worker=make_worker)


def read_glb(path: Path) -> dict:
    data = path.read_bytes()
    assert data[:4] == b"glTF"
    assert int.from_bytes(data[8:12], "little") == len(data)
    return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])


def test_json_is_one_line_that_fits_the_written_file(picture, tmp_path, capsys, temporary_folder):
    out = tmp_path / "box.glb"
    code = generate(picture, "--out", out, "--seed", 5, "--faces", 500, "--json")
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert printed.out.count("\n") == 1
    line = json.loads(printed.out)
    assert (line["out"], line["seed"], line["model"]) == (str(out), 5, "maquette-mini")
    assert {"load", "sample", "decode", "mesh"} <= line["seconds"].keys()
    assert line["warnings"] == []
    document = read_glb(out)
    indices = document["accessors"][document["meshes"][0]["primitives"][0]["indices"]]
    assert indices["count"] == 3 * line["faces"]
    assert 0 < line["faces"] <= 500
    assert document["accessors"][0]["count"] == line["vertices"]
    assert [path.name for path in tmp_path.glob("*box.glb*")] == ["box.glb"]
    assert list(temporary_folder.iterdir()) == []


def test_same_seed_gives_the_same_file(picture, tmp_path):
    for name in ("a", "b"):
        assert generate(picture, "--out", tmp_path / f"{name}.glb", "--seed", 3) == 0
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_without_json_the_stages_and_the_result_are_told(picture, tmp_path, capsys):
    slow = "hunyuan3d-2"  # every step takes longer than the pause between two looks
    assert generate(picture, "--out", tmp_path / "box.glb", "--model", slow) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert "Sampling the shape ..." in lines
    assert set(lines[:-1]) <= {f"{text} ..." for text in cli.STAGE_TEXTS.values()}
    assert len(set(lines)) == len(lines)
    assert lines[-1].startswith(f"Wrote {tmp_path / 'box.glb'}: ")
    assert printed.err == ""


BAD_WORDS = {
    "no image": ["--out", "x.glb"],
    "no out": ["IMAGE"],
    "unknown flag": ["IMAGE", "--out", "x.glb", "--colour", "red"],
    "shortened flag": ["IMAGE", "--out", "x.glb", "--see", "3"],
    "seed not a number": ["IMAGE", "--out", "x.glb", "--seed", "x"],
    "seed below range": ["IMAGE", "--out", "x.glb", "--seed", "-1"],
    "resolution above range": ["IMAGE", "--out", "x.glb", "--resolution", "4096"],
    "guidance is nan": ["IMAGE", "--out", "x.glb", "--guidance", "nan"],
    "unknown model": ["IMAGE", "--out", "x.glb", "--model", "gpt"],
    "unknown preset": ["IMAGE", "--out", "x.glb", "--preset", "best"],
    "unknown device": ["IMAGE", "--out", "x.glb", "--device", "tpu"],
    "out is not a glb": ["IMAGE", "--out", "x.obj"],
    "out has no suffix": ["IMAGE", "--out", "x"],
    "out in a missing folder": ["IMAGE", "--out", "no/such/folder/x.glb"],
    "out is a folder": ["IMAGE", "--out", "folder.glb"],
    "missing picture": ["gone.png", "--out", "x.glb"],
    "picture is a folder": ["folder.glb", "--out", "x.glb"],
    "two views for a model of one": [
        *("IMAGE", "--out", "x.glb", "--image-back", "IMAGE", "--no-texture")
    ],
    "texture too large": ["IMAGE", "--out", "x.glb", "--texture-size", "8192"],
    "unknown painting model": ["IMAGE", "--out", "x.glb", "--paint-model", "gpt"],
    "missing second picture": ["IMAGE", "--out", "x.glb", "--image-left", "gone.png"],
}


@pytest.mark.parametrize("words", BAD_WORDS.values(), ids=BAD_WORDS)
def test_bad_input_is_one_line_and_exit_code_2(words, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.glb").mkdir()
    words = [str(picture) if word == "IMAGE" else word for word in words]
    code = cli.main(["generate", *words], "maquette", TINY)
    printed = capsys.readouterr()
    assert code == 2, printed
    assert printed.out.count("Wrote") == 0
    assert printed.err.count("\n") == 1
    assert len(printed.err) > 20
    assert "Traceback" not in printed.err
    assert not (tmp_path / "x.glb").exists()


def test_textured_glb_holds_the_picture_and_json_tells_about_it(picture, tmp_path, capsys):
    out = tmp_path / "box.glb"
    words = ["--faces", "300", "--further-views", "0", "--json", "--texture-size", "512"]
    words += ["--texture", "paint", "--project-reference", "never"]
    assert generate(picture, "--out", out, *words) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["texture_size"], line["is_new_uv"]) == (512, True)
    assert line["coverage"]["views"] == 6
    assert line["coverage"]["seen"] + line["coverage"]["filled"] == pytest.approx(1)
    assert {"unwrap", "render", "paint", "bake", "write"} <= line["seconds"].keys()
    document = read_glb(out)
    assert len(document["images"]) == 1
    assert "TEXCOORD_0" in document["meshes"][0]["primitives"][0]["attributes"]
    assert base_colour(out).shape == (512, 512, 3)


def test_extra_pictures_of_a_textured_job_are_noted_and_used(picture, tmp_path, capsys):
    words = ["--faces", "300", "--further-views", "0", "--json", "--texture-size", "512"]
    words += ["--image-back", picture, "--texture", "paint", "--project-reference", "never"]
    assert generate(picture, "--out", tmp_path / "x.glb", *words) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "front picture alone" in warning


def base_colour(path: Path) -> np.ndarray:
    """The picture in a glb file."""
    data, document = path.read_bytes(), read_glb(path)
    start = 28 + int.from_bytes(data[12:16], "little")
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    begin = start + view.get("byteOffset", 0)
    return np.asarray(Image.open(io.BytesIO(data[begin : begin + view["byteLength"]])))


@pytest.fixture
def mesh_file(tmp_path) -> Path:
    write_obj(make_box(), tmp_path / "box.obj")
    return tmp_path / "box.obj"


def run(*words: object) -> int:
    return cli.main(list(map(str, words)), "maquette", TINY)


def test_bake_puts_views_on_the_meshs_own_map(mesh_file, tmp_path, capsys):
    write_views(tmp_path / "views")
    words = ["bake", mesh_file, "--views", tmp_path / "views", "--out", tmp_path / "b.glb"]
    assert run(*words, "--keep-uv", "--texture-size", 512, "--json") == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["texture_size"], line["is_new_uv"], line["faces"]) == (512, False, 12)
    assert line["coverage"]["seen"] > 0.99
    picture = base_colour(tmp_path / "b.glb")
    for name, (_, colour) in SIDES.items():
        assert tuple(picture[texel_of(name, 512)]) == pytest.approx(colour, abs=1)


def test_retexture_keeps_or_makes_the_map_as_it_is_told(mesh_file, picture, tmp_path, capsys):
    words = ["retexture", mesh_file, "--image", picture, "--out", tmp_path / "r.glb", "--json"]
    words += ["--texture-size", 512, "--further-views", 0, "--seed", 3]
    for flag, is_new in (("--keep-uv", False), ("--new-uv", True)):
        assert run(*words, flag) == 0
        line = json.loads(capsys.readouterr().out)
        assert (line["is_new_uv"], line["seed"], line["faces"]) == (is_new, 3, 12)
        assert base_colour(tmp_path / "r.glb").shape == (512, 512, 3)


BAD_MESH_WORDS = {
    "no mesh": ["retexture", "--image", "IMAGE", "--out", "x.glb"],
    "no image": ["retexture", "MESH", "--out", "x.glb"],
    "missing mesh": ["retexture", "gone.obj", "--image", "IMAGE", "--out", "x.glb"],
    "wrong kind of mesh": ["retexture", "IMAGE", "--image", "IMAGE", "--out", "x.glb"],
    "missing picture": ["retexture", "MESH", "--image", "gone.png", "--out", "x.glb"],
    "both maps": [
        *("retexture", "MESH", "--image", "IMAGE", "--out", "x.glb", "--keep-uv", "--new-uv")
    ],
    "setting of shapes": [
        *("retexture", "MESH", "--image", "IMAGE", "--out", "x.glb", "--resolution", "64")
    ],
    "missing base texture": [
        *("retexture", "MESH", "--image", "IMAGE", "--out", "x.glb", "--base-texture", "no.png")
    ],
    "no views": ["bake", "MESH", "--out", "x.glb"],
    "missing views": ["bake", "MESH", "--views", "gone", "--out", "x.glb"],
    "bake to obj": ["bake", "MESH", "--views", "gone", "--out", "x.obj"],
    "no map to keep": ["retexture", "BARE", "--image", "IMAGE", "--out", "x.glb", "--keep-uv"],
}


@pytest.mark.parametrize("words", BAD_MESH_WORDS.values(), ids=BAD_MESH_WORDS)
def test_bad_input_to_other_commands_is_one_line_and_exit_code_2(
    words, mesh_file, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_obj(make_box(uv=False), tmp_path / "bare.obj")
    places = {"IMAGE": picture, "MESH": mesh_file, "BARE": "bare.obj"}
    assert run(*(places.get(word, word) for word in words)) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and len(printed.err) > 20
    assert "Traceback" not in printed.err
    assert not (tmp_path / "x.glb").exists()


@pytest.mark.parametrize("words", [[], ["paint"], ["models", "extra"], ["generate"]])
def test_wrong_commands_are_one_line_and_exit_code_2(words, capsys):
    assert cli.main(words, "maquette", TINY) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("hunyuan3d-2-turbo", "not enough memory"),
        ("hunyuan3d-2-mv", "not on this machine"),
        ("hunyuan3d-2.1", "failed unexpectedly (RuntimeError)"),
    ],
)
def test_other_errors_are_one_line_and_exit_code_1(model, words, picture, tmp_path, capsys):
    out = tmp_path / "x.glb"
    out.write_bytes(b"an earlier mesh")
    assert generate(picture, "--out", out, "--model", model, "--json") == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert out.read_bytes() == b"an earlier mesh"


def test_log_of_an_unexpected_error_stays_and_is_named(picture, tmp_path, capsys):
    generate(picture, "--out", tmp_path / "x.glb", "--model", "hunyuan3d-2.1")
    log = Path(capsys.readouterr().err.strip().rpartition("Log: ")[2])
    assert "do not match" in log.read_text()


def test_worker_that_cannot_start_is_exit_code_1(picture, tmp_path, capsys):
    def refuse(device: str) -> InProcess:
        raise SetupError("No worker.", "Set it up.")

    assert generate(picture, "--out", tmp_path / "x.glb", make_worker=refuse) == 1
    assert capsys.readouterr().err == "No worker. Set it up.\n"


def test_interrupt_closes_the_worker_and_is_exit_code_130(
    picture, tmp_path, capsys, monkeypatch, temporary_folder
):
    closed = []
    monkeypatch.setattr(JobQueue, "poll", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(JobQueue, "close", lambda self: closed.append(self))
    assert generate(picture, "--out", tmp_path / "x.glb") == 130
    assert capsys.readouterr().err == "Cancelled.\n"
    assert len(closed) == 1
    assert list(temporary_folder.iterdir()) == []


def test_every_setting_has_a_flag_that_reaches_the_config(picture, tmp_path):
    words = ["generate", str(picture), "--out", str(tmp_path / "x.glb")]
    wanted = {}
    for name, (_, item) in setting_names().items():
        meta = item.metadata
        wanted[name] = meta["choices"][-1] if meta["choices"] else meta["max"]
        words += [cli.FLAGS.get(name, f"--{name.replace('_', '-')}"), str(wanted[name])]
    request = cli.read_request(cli.make_parser("maquette").parse_args(words))
    assert flatten(request.config) == wanted


def test_flags_overlay_the_preset_and_the_preset_the_defaults(picture, tmp_path):
    words = ["generate", str(picture), "--out", str(tmp_path / "x.glb"), "--preset", "draft"]
    parser = cli.make_parser("maquette")
    plain = cli.read_request(parser.parse_args(words[:4])).config
    preset = cli.read_request(parser.parse_args(words)).config
    changed = cli.read_request(parser.parse_args([*words, "--steps", "33"])).config
    assert plain == JobConfig()
    assert preset == load_preset("draft")
    assert flatten(changed) == flatten(preset) | {"steps": 33}


def test_views_keep_their_labels(picture, tmp_path):
    words = ["generate", "f.png", "--out", str(tmp_path / "x.glb"), "--image-right", "r.png"]
    request = cli.read_request(cli.make_parser("maquette").parse_args(words))
    assert request.images == {"front": Path("f.png"), "right": Path("r.png")}


def test_models_lists_every_model_with_its_licence(capsys):
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["maquette-mini", "shapes", "ready"]
    assert len(lines) == 9
    mini = [line for line in lines if line.startswith("maquette-mini")]
    assert [line.split()[1] for line in mini] == ["shapes", "paint"]
    assert all("Tencent" in line for line in lines if line not in mini)


def test_check_names_the_python_and_its_packages(capsys, monkeypatch):
    monkeypatch.setattr("backend.client.environment.REQUIRED_MODULES", {"numpy": "numpy"})
    assert cli.main(["check", "--python", sys.executable]) == 0
    assert f"numpy {np.__version__}" in capsys.readouterr().out
    assert cli.main(["check", "--python", "/no/such/python"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_process_prints_one_line_for_a_broken_picture_and_exits_with_2(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    words = ["generate", str(tmp_path / "broken.png"), "--out", str(tmp_path / "x.glb"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "backend", *words],
        cwd=ROOT,
        env={**os.environ, "MAQUETTE_MODELS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "broken.png" in done.stderr


def test_fetch_needs_consent_to_go_online(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MAQUETTE_MODELS", str(tmp_path))
    assert cli.main(["fetch", "hunyuan3d-2-mini"], is_online_allowed=False) == 1
    captured = capsys.readouterr()
    assert "Tencent" in captured.out
    assert "online access is off" in captured.err
    assert captured.err.count("\n") == 1


def test_fetch_takes_only_models_that_are_published(capsys) -> None:
    assert cli.main(["fetch", "maquette-mini"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
