# SPDX-License-Identifier: GPL-3.0-or-later
import ast
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from backend.config import setting_names

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
ALLOWED_HOSTS = {
    "fsf.org",
    "www.gnu.org",
    "arxiv.org",
    "creativecommons.org",
    "www.w3.org",
    "openbox.org",
}
MACHINE_PATH = re.compile(r"(?<![\w.~<>*-])/(?:root|home|work|opt|Users)/\w")


def tracked_texts():
    """Every tracked text file as (path, text)."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listing.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (raw := path.read_bytes())[:8000]:
            try:
                yield name, raw.decode()
            except UnicodeDecodeError:
                continue


def anchors_of(text):
    """The anchors that headings get."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors_of(target.read_text(encoding="utf-8")), f"{page.name}: {link}"


def test_settings_page_is_what_the_script_makes():
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs/make_settings.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs/manual/settings.md").read_text(encoding="utf-8")
    assert page == script.make_page(), "run `make docs`"
    for name, (_, item) in setting_names().items():
        assert f"| `{name}` |" in page and item.metadata["text"] in page


def message_templates():
    """Every string in the product's code, with `…` where a value is put in."""
    for path in (ROOT / "backend").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                yield "".join(map(str, parts))


@pytest.mark.parametrize(
    "page", ["README.md", "docs/manual/README.md", "docs/manual/installation.md"]
)
def test_troubleshooting_quotes_messages_as_the_code_says_them(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    table = text.partition("| Message | What to do |")[2].partition("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quoted) >= 5
    assert set(quoted) <= set(message_templates())


def test_no_tracked_file_names_a_machine_path_or_a_registry():
    found = []
    for name, text in tracked_texts():
        found += [f"{name}: {path}" for path in MACHINE_PATH.findall(text)]
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - ALLOWED_HOSTS
        found += [f"{name}: {host}" for host in hosts]
        found += re.findall(r"\b(?:pypi|pythonhosted|npmjs|pytorch|debian)\.(?:org|com)\b", text)
    assert not found


def test_complaints_name_tests_that_exist():
    page = (ROOT / "docs/manual/complaints.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    for file, test in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, f"{file}::{test}"
    for row in re.findall(r"^\| (?!Complaint|---)[^|]+\|[^|]+\|([^|]+)\|$", page, re.MULTILINE):
        assert "tests/" in row
