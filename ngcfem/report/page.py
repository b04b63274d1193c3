"""Building blocks of a self-contained HTML page; every text that enters is escaped."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "warning", "bad", "neutral"]

_STYLE_SHEET = """
:root { --ink: #1f2933; --soft: #5f6b7a; --line: #e2e6eb; --paper: #ffffff; --tint: #f5f7fa;
  --accent: #1b4f8a; --good: #1d7a46; --warning: #9a6100; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: #eef1f5; color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; background: var(--paper); padding: 2.2rem 3rem 3rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .7rem; padding-top: .9rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .5rem; }
p { margin: .5rem 0; max-width: 76ch; }
.lead { font-size: 1.05rem; color: var(--soft); }
nav { font-size: .88rem; margin: 1rem 0 0; }
nav a { margin-right: 1rem; color: var(--accent); text-decoration: none; white-space: nowrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(125px, 1fr));
  gap: .7rem; margin: 1.2rem 0; }
.tile { background: var(--tint); border-radius: 8px; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.15rem; line-height: 1.3; white-space: nowrap; }
.tile span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
.table { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .89rem; }
th, td { text-align: left; padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  padding-right: 1.1rem; }
td.number { white-space: nowrap; }
.facts td:first-child { width: 17rem; color: var(--soft); }
small, .soft { color: var(--soft); font-size: .85em; }
.badge { display: inline-block; border-radius: 99px; padding: .06rem .6rem; font-size: .8rem;
  font-weight: 600; border: 1px solid currentColor; white-space: nowrap; }
.good { color: var(--good); } .warning { color: var(--warning); } .bad { color: var(--bad); }
.neutral { color: var(--soft); }
.box { border-left: 5px solid currentColor; background: var(--tint); border-radius: 4px;
  padding: .7rem 1.1rem; margin: 1rem 0; }
.box > * { color: var(--ink); }
.box > strong { color: inherit; }
figure { margin: 1.1rem 0; }
figure img { width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .87rem; max-width: 90ch; margin-top: .35rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr));
  gap: .4rem 1.4rem; }
.chip { white-space: nowrap; margin-right: 1rem; }
.chip i { display: inline-block; width: .85em; height: .85em; border-radius: 2px;
  margin-right: .35em; vertical-align: -.08em; border: 1px solid #0003; }
ul { margin: .4rem 0; padding-left: 1.3rem; } li { margin: .25rem 0; max-width: 76ch; }
code { font-size: .88em; background: var(--tint); padding: .05em .3em; border-radius: 3px;
  overflow-wrap: anywhere; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 700px) { main { padding: 1.2rem; } }
@media print { body { background: white; font-size: 11px; } main { max-width: none; padding: 0; }
  nav { display: none; } h2 { break-after: avoid; }
  figure, tr, .box, .tiles { break-inside: avoid; }
}
"""


@dataclass(frozen=True)
class Markup:
    """HTML that is safe to insert as it is.

    Parameters
    ----------
    text : str
        The markup.
    """

    text: str


Content = Markup | str | float | int | None


def markup(content: Content) -> str:
    """Turn content into HTML.

    Parameters
    ----------
    content : Markup, str, float, int or None
        Markup stays, text is escaped, numbers are written with four significant digits, None
        becomes a dash.

    Returns
    -------
    str
        HTML.
    """
    if isinstance(content, Markup):
        return content.text
    if content is None:
        return "&ndash;"
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, float):
        return html.escape(number(content))
    return html.escape(str(content))


def number(value: float) -> str:
    """Write a number for a reader.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        Four significant digits; powers of ten where the number is very large or small.
    """
    if value != 0.0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:.4g}"


def fixed(value: float | None, digits: int) -> Content:
    """Write a number with a fixed number of decimals.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Decimals.

    Returns
    -------
    str or None
        None for None.
    """
    return None if value is None else f"{float(value):.{digits}f}"


def element(tag: str, content: Content | Sequence[Content] = "", css: str = "") -> Markup:
    """Wrap content in a tag.

    Parameters
    ----------
    tag : str
        Name of the tag.
    content : content or sequence of contents
        What goes inside, escaped where it is text.
    css : str
        Class of the element.

    Returns
    -------
    Markup
        The element.
    """
    parts: Sequence[Content]
    if content is None or isinstance(content, Markup | str | float | int):
        parts = [content]
    else:
        parts = content
    opening = f'<{tag} class="{html.escape(css)}">' if css else f"<{tag}>"
    return Markup(f"{opening}{''.join(markup(part) for part in parts)}</{tag}>")


def joined(parts: Iterable[Content], separator: str = "\n") -> Markup:
    """Put contents behind one another.

    Parameters
    ----------
    parts : iterable of contents
        What to join.
    separator : str
        Text between them.

    Returns
    -------
    Markup
        All of it.
    """
    return Markup(html.escape(separator).join(markup(part) for part in parts))


def table(
    head: Sequence[Content], rows: Iterable[Sequence[Content]], numeric: Iterable[int] = ()
) -> Markup:
    """Write a table.

    Parameters
    ----------
    head : sequence of contents
        Heads of the columns; empty for a table without.
    rows : iterable of sequences of contents
        The rows.
    numeric : iterable of int
        Columns that are set flush right.

    Returns
    -------
    Markup
        The table.
    """
    right = set(numeric)

    def row(cells: Sequence[Content], tag: str) -> Markup:
        return element(
            "tr",
            [element(tag, cell, "number" if n in right else "") for n, cell in enumerate(cells)],
        )

    parts = [element("thead", row(head, "th"))] if head else []
    body = element("tbody", [row(cells, "td") for cells in rows])
    return element("div", element("table", [*parts, body]), "table")


def facts(entries: Mapping[str, Content]) -> Markup:
    """Write a two-column table of facts.

    Parameters
    ----------
    entries : mapping of str to content
        What is said of what; entries of None are left out.

    Returns
    -------
    Markup
        The table.
    """
    rows = [(key, value) for key, value in entries.items() if value is not None]
    return element("div", table((), rows), "facts")


def badge(text: str, level: Level = "neutral") -> Markup:
    """Write a word in a coloured frame.

    Parameters
    ----------
    text : str
        The word.
    level : {"good", "warning", "bad", "neutral"}
        Its colour.

    Returns
    -------
    Markup
        The badge.
    """
    return element("span", text, f"badge {level}")


def box(title: str, content: Content | Sequence[Content], level: Level) -> Markup:
    """Write a paragraph that nobody overlooks.

    Parameters
    ----------
    title : str
        First words.
    content : content or sequence of contents
        The rest.
    level : {"good", "warning", "bad", "neutral"}
        Its colour.

    Returns
    -------
    Markup
        The box.
    """
    return element("div", [element("strong", title), element("div", content)], f"box {level}")


def bullets(items: Iterable[Content]) -> Markup:
    """Write a list.

    Parameters
    ----------
    items : iterable of contents
        The items.

    Returns
    -------
    Markup
        The list.
    """
    return element("ul", [element("li", item) for item in items])


def link(target: str, text: str) -> Markup:
    """Write a link to another file.

    Parameters
    ----------
    target : str
        Path relative to the page.
    text : str
        What is shown.

    Returns
    -------
    Markup
        The link.
    """
    return Markup(f'<a href="{html.escape(target)}">{html.escape(text)}</a>')


def chip(colour: str, text: str) -> Markup:
    """Write a name with its colour before it.

    Parameters
    ----------
    colour : str
        CSS colour.
    text : str
        The name.

    Returns
    -------
    Markup
        The chip.
    """
    square = Markup(f'<i style="background:{html.escape(colour)}"></i>')
    return element("span", [square, text], "chip")


def picture(png: bytes, alternative: str, caption: Content) -> Markup:
    """Embed a picture with its caption.

    Parameters
    ----------
    png : bytes
        The PNG file.
    alternative : str
        What it shows, for those who do not see it.
    caption : content
        What to look at.

    Returns
    -------
    Markup
        The figure; nothing is loaded from elsewhere.
    """
    encoded = base64.b64encode(png).decode("ascii")
    image = Markup(f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{encoded}">')
    return element("figure", [image, element("figcaption", caption)])


def document(title: str, sections: Mapping[str, tuple[str, Markup]], head: Markup) -> str:
    """Write the page.

    Parameters
    ----------
    title : str
        Title of the page.
    sections : mapping of str to tuple of str and Markup
        Heading and content of each section by its anchor.
    head : Markup
        What stands above the sections.

    Returns
    -------
    str
        HTML.
    """
    links = [
        Markup(f'<a href="#{html.escape(anchor)}">{html.escape(heading)}</a>')
        for anchor, (heading, _) in sections.items()
    ]
    body = [
        Markup(
            f'<section id="{html.escape(anchor)}"><h2>{html.escape(heading)}</h2>\n'
            f"{content.text}\n</section>"
        )
        for anchor, (heading, content) in sections.items()
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE_SHEET}</style>\n</head>\n<body>\n"
        f"<main>\n{head.text}\n{element('nav', joined(links)).text}\n"
        f"{joined(body).text}\n"
        "</main>\n</body>\n</html>\n"
    )
