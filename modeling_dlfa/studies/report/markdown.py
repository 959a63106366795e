"""Reports as Markdown, and the Markdown of other studies as reports."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...files.writing import draft_file
from ..folder import check_pictures
from .model import Block, Cell, Code, Heading, Notes, Picture, Section, Table, Text

_PICTURES = ("svg", "png", "jpg", "jpeg", "gif", "webp")
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]+)\)")
_RULE = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
_PRIVATE = 0xE000
_SPECIAL = re.compile(r"([\\`*_\[\]|#])")


def to_markdown(title: str, sections: Iterable[Section], pictures: str = "figures") -> str:
    """Write sections as GitHub's Markdown.

    Args:
        title: Of the whole.
        sections: The sections.
        pictures: Folder of the pictures, seen from the file.
    """
    parts = [f"# {escape(title)}"]
    for section in sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_block(block, pictures) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def write_pictures(sections: Iterable[Section], folder: Path, report: Path) -> None:
    """Write the pictures that `to_markdown` refers to.

    Args:
        sections: The sections.
        folder: Where to; made if absent.
        report: The Markdown of an earlier report, where there was one, whose pictures are replaced.

    Raises:
        InputError: A file of such a name is there that the earlier report does not show.
    """
    pictures = [block for section in sections for block in section.blocks if isinstance(block, Picture)]
    files = {folder / f"{picture.name}.{picture.suffix}": picture.content for picture in pictures}
    check_pictures(files, report)
    for path, content in files.items():
        with draft_file(path) as draft:
            draft.write_bytes(content)


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _block(block: Block, pictures: str) -> str:
    if isinstance(block, Heading):
        return f"### {escape(block.text)}"
    if isinstance(block, Text):
        return escape(block.text)
    if isinstance(block, Notes):
        return "\n".join(f"- {escape(item)}" for item in block.items)
    if isinstance(block, Code):
        return "\n".join(f"    {line}".rstrip() for line in block.text.splitlines())
    if isinstance(block, Picture):
        return f"![{escape(block.alt)}]({pictures}/{block.name}.{block.suffix})\n\n{escape(block.caption)}"
    lines = [[escape(name) for name in block.header]]
    lines.append(["---", *("---:" if numeric else "---" for numeric in block.numeric[1:])])
    lines += [[f"**{escape(cell.text)}**" if cell.strong else escape(cell.text) for cell in row] for row in block.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{escape(block.caption)}\n\n{table}"


def read_markdown(path: Path, prefix: str) -> list[Section]:
    """Read the Markdown that studies write: headings, paragraphs, lists, tables, code, pictures of the same folder.

    Everything becomes plain text: emphasis and links lose their marks, and HTML stays the characters that it is.

    Args:
        path: The file.
        prefix: Of the pictures' names.

    Returns:
        A section for each heading of the first two levels that has something below it.
    """
    sections: list[Section] = []
    blocks: list[Block] = []
    title = path.stem.replace("_", " ")
    for level, block in _blocks(path.read_text(encoding="utf-8").splitlines(), path, prefix):
        if isinstance(block, Heading) and level <= 2:
            if blocks:
                sections.append(Section(title, tuple(blocks)))
                blocks = []
            title = block.text
        else:
            blocks.append(block)
    return [*sections, Section(title, tuple(blocks))] if blocks else sections


def _blocks(lines: Sequence[str], path: Path, prefix: str) -> Iterator[tuple[int, Block]]:
    """Blocks with the level of headings, 0 for others."""
    index, numbers = 0, iter(range(1, len(lines) + 1))
    while index < len(lines):
        line = lines[index]
        end = index + 1
        if not line.strip():
            pass
        elif line.startswith("```"):
            while end < len(lines) and not lines[end].startswith("```"):
                end += 1
            yield 0, Code("\n".join(lines[index + 1 : end]))
            end += 1
        elif line.startswith("    "):
            end = _while(lines, end, lambda one: one.startswith("    "))
            yield 0, Code("\n".join(one[4:] for one in lines[index:end]))
        elif heading := re.match(r"(#{1,6})\s+(.*)", line):
            yield len(heading[1]), Heading(_plain(heading[2]))
        elif "|" in line and end < len(lines) and _RULE.fullmatch(lines[end].strip()):
            end = _while(lines, end, lambda one: "|" in one)
            yield 0, _table(lines[index:end])
        elif image := _IMAGE.fullmatch(line.strip()):
            yield 0, _picture(image, path, f"{prefix}-{next(numbers)}")
        elif re.match(r"\s*([-*+]|\d+\.)\s", line):
            end = _while(lines, end, lambda one: bool(one.strip()))
            items = re.split(r"\n\s*(?:[-*+]|\d+\.)\s+", "\n" + "\n".join(lines[index:end]))[1:]
            yield 0, Notes(tuple(_plain(item) for item in items))
        else:
            end = _while(lines, end, lambda one: bool(one.strip()) and not one.startswith(("#", "```")))
            yield 0, Text(_plain(" ".join(lines[index:end])))
        index = end


def _while(lines: Sequence[str], start: int, condition: Callable[[str], bool]) -> int:
    while start < len(lines) and condition(lines[start]):
        start += 1
    return start


def _table(lines: Sequence[str]) -> Table:
    rows = [re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|")) for line in lines]
    width = len(rows[0])
    cells = [[Cell(_plain(text), "**" in text) for text in row] for row in rows[2:]]
    # A row may be shorter or longer than the header, as GitHub allows.
    even = tuple(tuple([*row[:width], *[Cell("")] * (width - len(row))]) for row in cells)
    return Table("", tuple(_plain(name) for name in rows[0]), even)


def _picture(image: re.Match[str], path: Path, name: str) -> Block:
    file = path.parent / image["path"]
    inside = file.resolve().is_relative_to(path.parent.resolve())
    suffix = file.suffix.lower().removeprefix(".")
    alt = _plain(image["alt"])
    if "://" in image["path"] or not inside or suffix not in _PICTURES or not file.is_file():
        return Text(f"[Picture that is not here: {alt}, {image['path']}]")
    return Picture(name, alt, "", file.read_bytes(), "jpg" if suffix == "jpeg" else suffix)


def _plain(text: str) -> str:
    # What a backslash protects hides in Unicode's private area while the marks are removed.
    text = re.sub(rf"\\{_SPECIAL.pattern}", lambda match: chr(_PRIVATE + ord(match[1])), text)
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", text)
    text = re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text)
    text = re.sub(r"(?<!\w)\*(\S.*?)\*(?!\w)", r"\1", text)
    text = re.sub("[\ue000-\ue07f]", lambda match: chr(ord(match[0]) - _PRIVATE), text)
    return " ".join(html.unescape(text).split())
