"""A report's HTML as a browser would take it, and what every page must keep to."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "stop", "source"}


class Page(HTMLParser):
    """What a browser would make of a page, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[dict[str, Any]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs)
        self.tags.append((tag, values))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append({"caption": "", "head": [], "rows": []})
        elif tag == "tr" and "tbody" in self.open:
            self.tables[-1]["rows"].append([])
        elif tag in ("th", "td"):
            place = self.tables[-1]["rows"][-1] if "tbody" in self.open else self.tables[-1]["head"]
            place.append({"tag": tag, "scope": values.get("scope"), "text": "", "strong": False})

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))
        if {"th", "td"} & set(self.open):
            table = self.tables[-1]
            cell = (table["rows"][-1] if "tbody" in self.open else table["head"])[-1]
            cell["text"] += data
            cell["strong"] |= "strong" in self.open
        elif "caption" in self.open:
            self.tables[-1]["caption"] += data.strip()


def check_stands_alone(text: str) -> Page:
    """No address that a browser would fetch, no script, unique ids that links find, texts for all pictures."""
    page = Page(text)
    names = Counter(tag for tag, _ in page.tags)
    assert not names.keys() & {"script", "link", "iframe", "object", "embed", "audio", "video", "base", "form"}
    assert names["picture"] == names["source"] == names["img"] == names["figure"], "a picture is there twice"
    ids = Counter(values["id"] for _, values in page.tags if "id" in values)
    assert not [name for name, count in ids.items() if count > 1]
    for tag, values in page.tags:
        for name, value in values.items():
            assert not name.startswith("on"), name
            if name in ("href", "xlink:href"):
                assert value is not None and value[0] == "#" and value[1:] in ids, (tag, value)
            elif name in ("src", "srcset", "poster", "action", "background", "data"):
                assert name == ("srcset" if tag == "source" else "src") and value is not None
                assert re.match(r"data:image/[a-z+]+;base64,[\w+/=]+$", value)
            for reference in re.findall(r"url\(([^)]*)\)", value or ""):
                assert reference[1:] in ids, reference
        if tag == "img":
            assert values["alt"]
        if tag == "source":
            assert values["media"] == "(prefers-color-scheme: dark)"
    [style] = [data for tag, data in page.texts if tag == "style"]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    policy = [values["content"] for tag, values in page.tags if values.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    for table in page.tables:
        assert table["caption"] or table["head"]
        assert all(cell["tag"] == "th" and cell["scope"] == "col" for cell in table["head"])
        for row in table["rows"]:
            assert len(row) == len(table["head"])
            assert [cell["tag"] for cell in row] == ["th", *["td"] * (len(row) - 1)] and row[0]["scope"] == "row"
    # What is wide scrolls in its own box, which the keyboard reaches.
    boxes = [values for tag, values in page.tags if tag == "div" and values.get("class") == "scroll"]
    assert len(boxes) == len(page.tables) + sum(tag == "figure" for tag, _ in page.tags)
    assert all(values["tabindex"] == "0" and values["aria-label"] for values in boxes)
    return page
