"""A self-contained HTML page for reports: one file, no script, nothing fetched, light and dark."""

__all__ = ("facts", "page", "paragraph", "section", "table", "verdict")

from collections.abc import Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #24292f; --quiet: #57606a; --grid: #d8dee4;
  --good: #12703a; --alarm: #b42318; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --quiet: #9da7b3;
  --grid: #30363d; --good: #4ac27a; --alarm: #ff7b72; --card: #161b22; --series-1: #58a6ff;
  --series-2: #f0883e; --series-3: #3fb98f; --series-4: #d982d0; --series-5: #d4b106;
  --series-6: #9d9dff; --series-7: #ff7b9c;
  --series-8: #9da7b3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
svg { width: 100%; height: auto; margin: .6rem 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--grid); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--quiet); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.verdict { padding: .5rem .8rem; margin: .4rem 0;
  border-left: 4px solid var(--good); background: var(--card); }
.verdict b { color: var(--good); }
.verdict.no { border-color: var(--alarm); } .verdict.no b { color: var(--alarm); }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return a whole HTML document.

    Args:
        title: Heading and window title; plain text.
        parts: HTML from the other functions here and from ``charts``; already escaped.

    Example:
        >>> page("Load", [paragraph("all is < well")]).count("&lt;")
        1
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def section(title: str, parts: Sequence[str]) -> str:
    """Return a headed part of a page.

    Example:
        >>> section("Errors", [])
        '<section><h2>Errors</h2></section>'
    """
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def verdict(text: str, *, holds: bool) -> str:
    """Return a line that says whether a claim holds.

    Example:
        >>> verdict("p99 under 250 ms", holds=True)
        '<p class="verdict"><b>yes</b> p99 under 250 ms</p>'
    """
    kind, word = ("verdict", "yes") if holds else ("verdict no", "no")
    return f'<p class="{kind}"><b>{word}</b> {escape(text)}</p>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is aligned left, the others right.

    Example:
        >>> table(["a"], [["1"]]).count("<td>")
        1
    """
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Mapping[str, str]) -> str:
    """Return a list of names and values.

    Example:
        >>> facts({"cores": "2"})
        '<dl><dt>cores</dt><dd>2</dd></dl>'
    """
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items()) + "</dl>"
