# SPDX-License-Identifier: GPL-3.0-or-later
"""Job lists of all three kinds, and every mistake in them by its line."""

import json
from pathlib import Path

import pytest

from backend.batch.plan import Defaults, find_name_problem, order_by_model, read_plan
from backend.config import JobConfig, flatten, load_preset
from backend.errors import InputError, ModelMissingError

NONE = Defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that only have to be there: the plan reads no pictures."""
    for name in ("chair.png", "Chair 10.jpg", "Chair 2.JPG", "box.obj", "base.png", "mask.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.png").write_bytes(b"x")
    return tmp_path


def write_csv(folder: Path, *lines: str) -> Path:
    path = folder / "jobs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_lines(folder: Path, *objects: object) -> Path:
    path = folder / "jobs.jsonl"
    lines = [item if isinstance(item, str) else json.dumps(item) for item in objects]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def errors_of(path: Path, defaults: Defaults = NONE) -> list[str]:
    return [str(error) for error in read_plan(path, defaults).errors]


def test_folder_gives_its_pictures_in_the_order_of_people(tmp_path):
    for name in ("b 10.png", "b 2.PNG", "a.webp", ".hidden.png", "list.csv", "b 1.png"):
        (tmp_path / name).write_bytes(b"")
    plan = read_plan(tmp_path, Defaults("", {"seed": 4}))
    assert plan.errors == ()
    assert [job.name for job in plan.jobs] == ["a", "b 1", "b 2", "b 10"]
    assert plan.jobs[1].images == {"front": tmp_path / "b 1.png"}
    assert {job.config.sample.seed for job in plan.jobs} == {4}
    assert plan.jobs[1].place == f"{tmp_path.name}/b 1.png"


def test_csv_fills_pictures_names_mesh_and_settings(folder):
    path = write_csv(
        folder,
        "Image,Image-Left,name,mesh,base-texture,texel mask,Texture-Size,faces,guidance,uv",
        "chair.png,sub/inner.png,one,,,,2048,500,,",
        "",
        "chair.png,,two,box.obj,base.png,mask.png,,,3.5,keep",
    )
    plan = read_plan(path, NONE)
    assert plan.errors == ()
    one, two = plan.jobs
    assert one.images == {"front": folder / "chair.png", "left": folder / "sub/inner.png"}
    assert (one.config.bake.texture_size, one.config.mesh.target_faces) == (2048, 500)
    assert one.config.sample.guidance == JobConfig().sample.guidance
    assert (one.task.kind, one.place, two.place) == ("generate", "jobs.csv:2", "jobs.csv:4")
    assert (two.task.kind, two.task.mesh_path) == ("retexture", folder / "box.obj")
    assert (two.config.sample.guidance, two.config.texture.uv) == (3.5, "keep")
    assert set(two.inputs) == {"image_front", "mesh", "base_texture", "texel_mask"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_of_every_spreadsheet_is_read(separator, line_end, mark, folder):
    rows = [["image", "name", "seed"], ["chair.png", "stühle", "7"], ["chair.png", "의자", ""]]
    text = mark + "".join(separator.join(row) + line_end for row in rows)
    (folder / "jobs.csv").write_bytes(text.encode())
    plan = read_plan(folder / "jobs.csv", NONE)
    assert plan.errors == ()
    assert [(job.name, job.config.sample.seed) for job in plan.jobs] == [("stühle", 7), ("의자", 0)]


def test_quoted_cells_may_hold_separators_and_lines_are_counted_through_them(folder):
    (folder / "a, b.png").write_bytes(b"x")
    path = write_csv(folder, "image,name", '"a, b.png","x', 'y"', "gone.png,z")
    errors = errors_of(path)
    assert [error.split(": ")[0] for error in errors] == ["jobs.csv:2", "jobs.csv:4"]
    assert "control character" in errors[0] and "gone.png" in errors[1]


def test_json_lines_take_values_of_their_own_types(folder):
    path = write_lines(
        folder,
        {"image": "chair.png", "seed": 3, "steps": 20.0, "guidance": 2, "texture": "none"},
        "",
        {"image": "chair.png", "name": "b", "image-back": None, "preset": "draft", "seed": None},
    )
    plan = read_plan(path, Defaults("detailed", {"seed": 9, "steps": 5}))
    assert plan.errors == ()
    first, second = plan.jobs
    expected = flatten(load_preset("detailed")) | {
        **{"seed": 3, "steps": 20, "guidance": 2.0, "texture": "none"}
    }
    assert flatten(first.config) == expected
    assert flatten(second.config) == flatten(load_preset("draft")) | {"seed": 9, "steps": 5}
    assert set(second.images) == {"front"}


LINES = {
    "missing picture": ({"image": "no.png"}, "'no.png' does not exist"),
    "folder for a picture": ({"image": "sub"}, "is a folder"),
    "no picture": ({"name": "x"}, "There is no picture"),
    "empty picture": ({"image": "", "name": "x"}, "There is no picture"),
    "picture is a number": ({"image": 3, "name": "x"}, "needs a text"),
    "missing side": ({"image": "chair.png", "image_left": "no.png"}, "'no.png' does not exist"),
    "unknown setting": ({"image": "chair.png", "texture_sise": 3}, "Did you mean 'texture_size'"),
    "setting out of range": ({"image": "chair.png", "resolution": 5000}, "out of range"),
    "setting of another type": ({"image": "chair.png", "seed": "many"}, "whole number"),
    "boolean setting": ({"image": "chair.png", "seed": True}, "whole number"),
    "list for a choice": ({"image": "chair.png", "uv": ["keep"]}, "not a value"),
    "broken number": ({"image": "chair.png", "seed": 1.5}, "whole number"),
    "infinite number": ({"image": "chair.png", "guidance": "inf"}, "out of range"),
    "unknown model": ({"image": "chair.png", "model": "gpt"}, "'gpt' is not a value"),
    "unknown preset": ({"image": "chair.png", "preset": "best"}, "no preset called 'best'"),
    "one setting twice": ({"image": "chair.png", "faces": 200, "target-faces": 300}, "the same"),
    "missing mesh": ({"image": "chair.png", "mesh": "no.glb"}, "'no.glb' does not exist"),
    "no mesh file": ({"image": "chair.png", "mesh": "base.png"}, "is no mesh file"),
    "mask alone": ({"image": "chair.png", "texel-mask": "mask.png"}, "without a mesh"),
    "paint nothing": ({"image": "chair.png", "mesh": "box.obj", "texture": "none"}, "'none'"),
    "path for a name": ({"image": "chair.png", "name": "a/b"}, "cannot name a file"),
    "not JSON": ("{image: 3}", "no JSON object"),
    "not an object": ("[1]", "another kind of value"),
    "NaN": ('{"image": "chair.png", "guidance": NaN}', "not a number of JSON"),
    "key twice": ('{"image": "chair.png", "Image": "chair.png"}', "there twice"),
    "deep": ("[" * 100_000, "no JSON object"),
}


@pytest.mark.parametrize(("line", "words"), LINES.values(), ids=LINES)
def test_mistake_in_a_line_is_told_with_its_number_and_what_to_do(line, words, folder):
    path = write_lines(folder, {"image": "chair.png", "name": "good"}, line)
    (error,) = read_plan(path, NONE).errors
    assert error.place == "jobs.jsonl:2"
    assert words in str(error)
    assert len(error.hint) > 10 and "\n" not in str(error)


def test_all_mistakes_of_a_list_are_told_at_once_in_their_order(folder):
    path = write_csv(
        folder,
        "image,name,seed,colour",
        "no.png,a,-1,",
        "chair.png,b,1,red",
        "chair.png,B,2,,more",
        "chair.png,con,x,",
        "chair.png,b,,",
    )
    errors = errors_of(path)
    assert [error.split(": ")[0] for error in errors] == [
        *("jobs.csv:2", "jobs.csv:2", "jobs.csv:3", "jobs.csv:4", "jobs.csv:5", "jobs.csv:5"),
        "jobs.csv:6",
    ]
    assert "jobs.csv:3 too" in errors[-1]


def test_names_that_one_file_system_takes_for_one_are_twins(folder):
    names = ["Stühle", "stu\u0308hle", "other", "ﬁg", "FIG"]
    path = write_lines(folder, *({"image": "chair.png", "name": name} for name in names))
    assert [error.place for error in read_plan(path, NONE).errors] == [
        *("jobs.jsonl:2", "jobs.jsonl:5")
    ]


def test_pictures_of_one_stem_in_a_folder_are_twins(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.jpg").write_bytes(b"")
    (error,) = read_plan(tmp_path, NONE).errors
    assert error.place == f"{tmp_path.name}/a.png" and "a.jpg" in error.message


HEADERS = {
    "no image column": ("picture,name", "no column 'image'"),
    "data without a header": ("chair.png,chair", "no column 'image'"),
    "column twice": ("image,seed,Seed", "twice"),
}


@pytest.mark.parametrize(("header", "words"), HEADERS.values(), ids=HEADERS)
def test_wrong_header_is_one_error_of_the_first_line(header, words, folder):
    (error,) = errors_of(write_csv(folder, header, "chair.png,a,3"))
    assert error.startswith("jobs.csv:1: ") and words in error


def test_unknown_column_is_told_for_rows_that_use_it_only(folder):
    path = write_csv(folder, "image,notes", "chair.png,", "sub/inner.png,good")
    (error,) = errors_of(path)
    assert error.startswith("jobs.csv:3: ") and "'notes'" in error


BYTES = {
    "broken quotes": (b'image,name\nchair.png,a\nchair.png,"b\n', "jobs.csv:3", "quote"),
    "not UTF-8": (b"image,name\nchair.png,a\nchair.png,st\xfchle\n", "jobs.csv:3", "UTF-8"),
    "UTF-16": ("image,name\n".encode("utf-16"), "jobs.csv:1", "UTF-8"),
    "empty": (b"", "jobs.csv", "no jobs"),
    "header alone": (b"image,name\n", "jobs.csv", "no jobs"),
    "blank lines alone": (b"\n \n,,\n", "jobs.csv", "no jobs"),
}


@pytest.mark.parametrize(("content", "place", "words"), BYTES.values(), ids=BYTES)
def test_unreadable_list_says_where_and_what_to_do(content, place, words, folder):
    (folder / "jobs.csv").write_bytes(content)
    (error,) = read_plan(folder / "jobs.csv", NONE).errors
    assert error.place.endswith(place) and words in str(error)


def test_missing_list_and_wrong_kind_are_input_errors(folder):
    for name, words in (("gone.csv", "no job list"), ("box.obj", "is no job list")):
        with pytest.raises(InputError, match=words):
            read_plan(folder / name, NONE)


def test_wrong_defaults_are_told_once_and_not_for_every_line(folder):
    path = write_csv(folder, "image", "chair.png")
    with pytest.raises(InputError, match="out of range"):
        read_plan(path, Defaults("", {"resolution": 1}))
    with pytest.raises(InputError, match="no preset"):
        read_plan(path, Defaults("best"))


def test_missing_weights_are_an_error_of_the_lines_that_need_them(folder):
    path = write_csv(folder, "image,name,model", "chair.png,a,", "chair.png,b,hunyuan3d-2")

    def find_missing(job):
        is_there = job.config.model == "maquette-mini"
        return None if is_there else ModelMissingError("Not here.", "Fetch it.")

    (error,) = read_plan(path, NONE, find_missing).errors
    assert str(error) == "jobs.csv:3: Not here. Fetch it."


@pytest.mark.parametrize(
    "name", ["", " a", "a ", ".a", "a.", "a/b", "a\\b", "a:b", "a\0b", "COM1", "nul.x", "ä" * 91]
)
def test_names_that_some_system_refuses_are_refused(name):
    assert find_name_problem(name)


@pytest.mark.parametrize("name", ["a", "chair v1.2", "의자 (3)", "a & b's", "ä" * 90, "console"])
def test_other_names_are_taken(name):
    assert find_name_problem(name) == ""


def test_jobs_of_one_model_come_together_and_keep_their_order_otherwise(folder):
    path = write_csv(
        folder,
        "image,name,model,mesh",
        *("chair.png,a,hunyuan3d-2,", "chair.png,b,maquette-mini,", "chair.png,c,hunyuan3d-2,"),
        *("chair.png,d,,box.obj", "chair.png,e,maquette-mini,"),
    )
    jobs = read_plan(path, NONE).jobs
    assert [job.name for job in order_by_model(jobs)] == ["a", "c", "b", "e", "d"]
