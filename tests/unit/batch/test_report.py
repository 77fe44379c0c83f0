# SPDX-License-Identifier: GPL-3.0-or-later
import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backend.batch.manifest import DONE, FAILED, Manifest, Record
from backend.batch.plan import BatchJob
from backend.batch.report import make_report
from backend.batch.work import PICTURE, RESULT, Place
from backend.config import JobConfig

NASTY = "a\"><script>alert('&')</script> #1?"


class Page(HTMLParser):
    """All tags with their attributes, and all text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, version="0.1.0")
    place.make_folders()
    return place


def make_page(place: Place, *records: Record, left: tuple[str, ...] = ()) -> Page:
    names = [record.name for record in records] + list(left)
    jobs = [BatchJob(name, {}, JobConfig(), place=f"list.csv:{i}") for i, name in enumerate(names)]
    manifest = Manifest(place.folder / "m", records={record.name: record for record in records})
    return Page(make_report("list <1>", jobs, manifest, place, 75.0))


def test_page_needs_nothing_from_elsewhere_and_may_run_nothing(place):
    page = make_page(place, Record("a", DONE))
    assert {"script", "link", "iframe"}.isdisjoint(tag for tag, _ in page.tags)
    policy = [meta for meta in page.of("meta") if "http-equiv" in meta]
    assert policy[0]["content"].startswith("default-src 'none'; img-src data:")


def test_pictures_are_in_the_page(place):
    for kind, content in ((PICTURE, b"picture"), (RESULT, b"result")):
        place.thumbnail_path("a", kind).write_bytes(content)
    page = make_page(place, Record("a", DONE))
    shown = [base64.b64decode(image["src"].partition(",")[2]) for image in page.of("img")]
    assert shown == [b"picture", b"result"]


def test_failed_job_shows_its_picture_error_hint_and_log_but_no_earlier_result(place):
    for kind, content in ((PICTURE, b"picture"), (RESULT, b"result")):
        place.thumbnail_path("a", kind).write_bytes(content)
    record = Record("a", FAILED, error="It failed.", hint="Do so.", log="logs/a.log")
    page = make_page(place, record, Record("b", DONE), left=("c",))
    assert [image["alt"] for image in page.of("img")] == ["Picture of a"]
    assert page.text.count("It failed. Do so.") == 2  # in the list of failures, and in its place
    assert "3 jobs: 1 done, 1 failed, 1 not done yet; 1 min in this run" in page.text
    links = [link["href"] for link in page.of("a")]
    assert "./logs/a.log" in links and "#job-a" in links
    assert "job-a" in [item.get("id") for item in page.of("li")]


def test_names_and_messages_are_text_whatever_is_in_them(place):
    record = Record(NASTY, FAILED, error=NASTY, hint="<b>", log=f"logs/{NASTY}")
    done = Record(f"{NASTY}2", DONE, outputs={"javascript:x.glb": "1"}, warnings=["<i>"])
    page = make_page(place, record, done)
    assert {"script", "b", "i"}.isdisjoint(tag for tag, _ in page.tags)
    assert page.text.count(NASTY) >= 4 and "<i>" in page.text
    assert all(link["href"].startswith(("./", "#")) for link in page.of("a"))
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_done_job_tells_seed_faces_stages_notes_and_links_its_files(place):
    record = Record(
        *("a", DONE), seed=7, faces=123, seconds={"sample": 1.25}, total_s=2.0, model="m"
    )
    record.outputs["a b.glb"] = "1"
    page = make_page(place, record)
    assert "m, seed 7, 123 faces, 2.0 s" in page.text and "sample 1.2" in page.text
    assert page.of("a")[0]["href"] == "./a%20b.glb"


def test_file_names_that_are_no_text_do_not_break_the_page(place):
    assert "x?.png" in make_page(place, Record("a", DONE, warnings=["x\udcff.png"])).text
