# SPDX-License-Identifier: GPL-3.0-or-later
import io
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from backend import errors, protocol
from backend.errors import MaquetteError, ProtocolError
from backend.protocol import (
    MAX_LINE_BYTES,
    Cancel,
    ErrorEvent,
    Hello,
    ProgressEvent,
    Result,
    Shutdown,
    Submit,
    Unload,
    Unloaded,
    decode,
    encode,
    read_messages,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs/protocol.md").read_text(encoding="utf-8")
MESSAGES = [
    Submit(
        "a", "/jobs/ä\n", ["/p/1.png", "/p/\udcff.png"], ["front", "back"], {"seed": 3, "x": 0.5}
    ),
    Submit("b", "/jobs/b", [], kind="bake", mesh_path="/m.obj", views_folder="/views"),
    Submit("c", "/c", ["/1.png"], kind="retexture", mesh_path="/m.npz", texel_mask_path="/t.png"),
    Submit("d", "/d", ["/1.png"], thumbnail_px=160),
    Cancel("a"),
    Unload(),
    Shutdown(),
    Hello(1, 2, ["cuda:0", "cpu"], [1, 2], {"python": "3.11"}),
    ProgressEvent("a", "sample", 1, 20, None),
    ProgressEvent("a", "sample", 1, 20, 3.5),
    Result("a", "/m.npz", "/m.glb", 4, 4, 0, {"sample": 1}, ["note"]),
    Result(
        "a", "/m.npz", "/m.glb", 4, 4, 0, {}, [], "/t.png", 1024, True, {"seen": 0.5, "views": 6}
    ),
    ErrorEvent("a", "input", "No.", "Do."),
    Unloaded([5]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_survives_as_one_ascii_line(message):
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode(line) == message


def test_every_type_of_message_is_tried_above():
    assert {type(message) for message in MESSAGES} == set(protocol._TYPES.values())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[]",
        b"3",
        b"null",
        b'{"job_id": "a"}',
        b'{"type": "unknown"}',
        b'{"type": ["cancel"]}',
        b'{"type": "cancel"}',
        b'{"type": "cancel", "job_id": 5}',
        b'{"type": "cancel", "job_id": null}',
        b'{"type": "submit", "job_id": "a", "job_folder": "b", "images": "c.png"}',
        b'{"type": "submit", "job_id": "a", "job_folder": "b", "images": [1]}',
        b'{"type": "submit", "job_id": "a", "job_folder": "b", "images": [], "settings": []}',
        b'{"type": "submit", "job_id": "a", "job_folder": "b", "images": [], "mesh_path": null}',
        b'{"type": "progress", "job_id": "a", "stage": "s", "step": true, "of": 1}',
        b'{"type": "progress", "job_id": "a", "stage": "s", "step": 0.5, "of": 1}',
        b'{"type": "progress", "job_id": "", "stage": "", "step": 0, "of": 1, "seconds_left": NaN}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_a_protocol_error_with_a_short_quote(line):
    with pytest.raises(ProtocolError) as caught:
        decode(line)
    assert len(caught.value.message) < 500
    assert caught.value.hint


def test_unknown_fields_are_dropped_so_that_a_version_can_grow():
    assert decode(b'{"type": "cancel", "job_id": "a", "why": "because"}') == Cancel("a")


def test_stream_with_overlong_and_broken_lines_yields_every_good_message():
    long = b"z" * (3 * MAX_LINE_BYTES + 5) + b"\n"
    exact = b'"' + b"z" * (MAX_LINE_BYTES - 3) + b'"\n'
    stream = encode(Unload()) + long + b"\n" + b"bad\n" + exact + encode(Cancel("a")) + b'{"type'
    kinds = [type(item) for item in read_messages(io.BytesIO(stream))]
    assert len(exact) == MAX_LINE_BYTES
    assert kinds == [Unload, *[ProtocolError] * 3, Cancel, ProtocolError]


def test_overlong_last_line_without_an_end_is_one_error():
    items = list(read_messages(io.BytesIO(b"z" * (2 * MAX_LINE_BYTES))))
    assert [type(item) for item in items] == [ProtocolError]


def test_every_error_code_rebuilds_its_class():
    classes = [MaquetteError, *MaquetteError.__subclasses__()]
    assert len({cls.code for cls in classes}) == len(classes)
    for cls in classes:
        error = errors.error_from_code(cls.code, "What.", "Do.")
        assert type(error) is cls
        assert (error.message, error.hint, str(error)) == ("What.", "Do.", "What. Do.")
    assert type(errors.error_from_code("of a later version", "What.")) is MaquetteError


def section(name: str) -> str:
    found = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/protocol.md has no section '{name}'"
    return found.group(1)


@pytest.mark.parametrize("name", protocol._TYPES)
def test_page_lists_exactly_the_fields_of_each_message_in_order(name):
    documented = re.findall(r"^\| `(\w+)` \|", section(name), re.MULTILINE)
    assert documented == [item.name for item in fields(protocol._TYPES[name])]


def test_page_lists_exactly_the_messages_and_error_codes():
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == list(protocol._TYPES)
    codes = PAGE.split("## Error codes")[1].split("## Example")[0]
    classes = [MaquetteError, *MaquetteError.__subclasses__()]
    assert set(re.findall(r"^\| `(\w+)` \|", codes, re.MULTILINE)) == {cls.code for cls in classes}


def test_page_names_the_version_and_its_example_is_valid():
    assert f"Version {protocol.PROTOCOL_VERSION}." in PAGE
    lines = re.findall(r"^[<>] (.*)$", PAGE, re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        assert json.loads(encode(decode(line.encode()))) == json.loads(line)
