# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a batch's manifest and thumbnails into one web page that needs no other file."""

import base64
import html
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from .events import count, describe_time
from .manifest import DONE, FAILED, Manifest, Record
from .plan import BatchJob
from .work import PICTURE, RESULT, THUMBNAIL_PX, Place

FILE_NAME = "report.html"
_STATE_TEXTS = {DONE: "done", FAILED: "failed"}
_LEFT = "not done yet"
# Nothing on the page may load or run anything, whatever the names in it are.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = f"""
:root {{ color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin-bottom: .25rem; }}
.jobs {{ display: grid; gap: 1rem; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); }}
.jobs > li {{ border: 1px solid #8886; border-radius: .5rem; padding: .75rem; }}
.pictures {{ display: flex; gap: .5rem; }}
.pictures img, .none {{ width: {THUMBNAIL_PX}px; height: {THUMBNAIL_PX}px; border-radius: .25rem; }}
.none {{ display: grid; place-items: center; background: #8882; color: #888; }}
h2 {{ font-size: 1rem; margin: .5rem 0 .25rem; overflow-wrap: anywhere; }}
p {{ margin: .25rem 0; overflow-wrap: anywhere; }}
.state {{ font-weight: 600; }}
.done .state {{ color: #2a8a4a; }}
.failed {{ border-color: #c44 !important; }}
.failed .state, .error {{ color: #c44; }}
.small {{ color: #888; font-size: .85rem; }}
"""


def make_report(
    title: str, jobs: Sequence[BatchJob], manifest: Manifest, place: Place, seconds: float
) -> bytes:
    """The page as UTF-8.

    Args:
        title: Name of the list.
        jobs: In the order of the list.
        manifest: What became of them.
        place: Where results and thumbnails are.
        seconds: How long this run has taken.
    """
    records = [manifest.records.get(job.name) for job in jobs]
    cards = [_make_card(job, record, place) for job, record in zip(jobs, records, strict=True)]
    failed = [record for record in records if record is not None and record.state == FAILED]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Maquette: {_escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_escape(title)}</h1>",
        f"<p>{_summarise(records)}; {describe_time(seconds)} in this run. "
        f"Maquette {_escape(place.version)}.</p>",
        *_list_failures(failed),
        '<ol class="jobs">',
        *cards,
        "</ol></body></html>\n",
    ]
    return "\n".join(parts).encode("utf-8", "replace")


def _summarise(records: Sequence[Record | None]) -> str:
    states = [record.state if record is not None else "" for record in records]
    done, failed = states.count(DONE), states.count(FAILED)
    parts = [f"{count(len(states), 'job')}: {done} done", f"{failed} failed" if failed else ""]
    left = len(states) - done - failed
    return ", ".join([part for part in parts if part] + ([f"{left} {_LEFT}"] if left else []))


def _list_failures(failed: Sequence[Record]) -> list[str]:
    """What went wrong, before everything else."""
    if not failed:
        return []
    lines = [
        f'<li><a href="#{_anchor(record.name)}">{_escape(record.name)}</a>: '
        f"{_escape(record.error)} {_escape(record.hint)}</li>"
        for record in failed
    ]
    return ["<ul>", *lines, "</ul>"]


def _make_card(job: BatchJob, record: Record | None, place: Place) -> str:
    """One job: picture, result, and what is known about them."""
    state = record.state if record is not None and record.state in _STATE_TEXTS else ""
    lines = [
        f'<li class="{state}" id="{_anchor(job.name)}">',
        '<div class="pictures">',
        _make_image(place.thumbnail_path(job.name, PICTURE), f"Picture of {job.name}"),
        _make_image(
            place.thumbnail_path(job.name, RESULT) if state == DONE else None,
            f"Result of {job.name}",
        ),
        "</div>",
        f"<h2>{_escape(job.name)}</h2>",
        f'<p><span class="state">{_STATE_TEXTS.get(state, _LEFT)}</span> '
        f'<span class="small">{_escape(job.place)}</span></p>',
    ]
    if record is not None and state == DONE:
        lines += _describe_result(record)
    elif record is not None and state == FAILED:
        lines.append(f'<p class="error">{_escape(record.error)} {_escape(record.hint)}</p>')
        lines += [f"<p>{_link(record.log)}</p>"] if record.log else []
    return "\n".join([*lines, "</li>"])


def _describe_result(record: Record) -> list[str]:
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in record.seconds.items())
    links = " ".join(_link(name) for name in record.outputs)
    model = f"{record.model}, " if record.model else ""
    return [
        f"<p>{links}</p>",
        f"<p>{_escape(model)}seed {record.seed}, {record.faces} faces, {record.total_s:.1f} s</p>",
        f'<p class="small">Seconds: {_escape(stages)}</p>',
        *(f'<p class="small">{_escape(text)}</p>' for text in record.warnings),
    ]


def _make_image(path: Path | None, text: str) -> str:
    """A picture within the page, or a place where there is none."""
    try:
        content = path.read_bytes() if path is not None else b""
    except OSError:
        content = b""
    if not content:
        return '<span class="none">no picture</span>'
    data = base64.b64encode(content).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{_escape(text)}">'


def _link(name: str) -> str:
    """A link to a file beside the page; `./` keeps a colon from looking like a protocol."""
    return f'<a href="./{_escape(urllib.parse.quote(name))}">{_escape(name)}</a>'


def _anchor(name: str) -> str:
    return _escape("job-" + urllib.parse.quote(name, safe=""))


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
