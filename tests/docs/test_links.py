"""Links lead somewhere, and no file names the machine or the workplace that it was written on."""

import re
from pathlib import Path

import pytest

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

# Letters in brackets keep this file from holding what it looks for.
_FOREIGN = {
    "a home folder": re.compile(r"(?<![\w.:<{/-])/(?:home|Users)/(?!pulse/|<|you\b|user\b|name\b)\w+/"),
    "a path of a workplace": re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|mnt|tmp/[d]ev)/\w"),
    "a registry or a mirror": re.compile(
        r"--(?:extra-)?[i]ndex-url[= ]https?:|//[\w.-]*(?:[a]rtifactory|[n]exus)[\w.-]*/"
    ),
    "who or what typed it": re.compile(r"(?i)[c]o-authored-by|[g]enerated (?:with|by) \w+ (?:code|ai)\b"),
}
_TEXT = {".py", ".md", ".toml", ".txt", ".html", ".json", ".yml", ".yaml", ".cfg", ".sh", ".tsv", ".csv", ""}
_LONGEST_BYTES = 2_000_000


def _prose(text: str) -> str:
    return _CODE.sub("", _FENCE.sub("", text))


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    plain = (
        re.sub(r"[^\w\- ]", "", title.strip().lower()) for title in _HEADING.findall(_FENCE.sub("", text))
    )
    return {title.replace(" ", "-") for title in plain}


def test_every_relative_link_resolves(root: Path, pages: dict[str, str]) -> None:
    broken: list[str] = []
    for page, text in pages.items():
        for link in _LINK.findall(_prose(text)):
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (root / page).parent / path if path else root / page
            if not target.exists():
                broken.append(f"{page}: {link} is not there")
            elif anchor and target.suffix == ".md" and anchor not in _anchors(target.read_text("utf-8")):
                broken.append(f"{page}: {link} has no such heading")
    assert not broken, "\n".join(broken)


def test_every_document_can_be_reached_from_the_readme(root: Path, pages: dict[str, str]) -> None:
    reached, ahead = set[str](), ["README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        for link in _LINK.findall(_prose(pages[page])):
            target = ((root / page).parent / link.partition("#")[0]).resolve()
            names = [name for name in pages if (root / name) == target or (root / name).parent == target]
            ahead.extend(name for name in names if name not in reached)
    assert reached == set(pages), f"no link leads to {sorted(set(pages) - reached)}"


@pytest.mark.parametrize("what", _FOREIGN)
def test_no_file_names_the_machine_it_was_made_on(what: str, root: Path, tracked: tuple[Path, ...]) -> None:
    found: list[str] = []
    for file in tracked:
        whole = root / file
        if file.suffix not in _TEXT or whole.stat().st_size > _LONGEST_BYTES:
            continue
        text = whole.read_text("utf-8", errors="replace")
        if _FOREIGN[what].search(text):
            lines = text.splitlines()
            numbers = [n for n, line in enumerate(lines, 1) if _FOREIGN[what].search(line)]
            found.extend(f"{file}:{number}: {what}" for number in numbers)
    assert not found, "\n".join(found)
