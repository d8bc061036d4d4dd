"""HTML without scripts and without anything fetched from elsewhere."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from alliance_stats.errors import StudyError

if TYPE_CHECKING:
    from bs4 import Tag

_DROPPED = ["script", "link", "iframe", "frame", "object", "embed", "base", "meta", "form", "noscript", "template"]


def clean_html(fragment: str) -> str:
    """Return an HTML fragment that runs nothing and loads nothing.

    Scripts, frames and style sheets from elsewhere go; a picture from elsewhere is replaced by its description; links
    to click stay.

    Parameters
    ----------
    fragment : str
        HTML.

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If the packages of ``alliance-stats[notebooks]`` are missing.

    Examples
    --------
    >>> clean_html('<p onclick="x()">b<script>x()</script> <img src="https://example.org/a.png" alt="a curve"></p>')
    '<p>b a curve</p>'
    """
    try:
        from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning
    except ModuleNotFoundError as error:
        raise notebooks_extra_missing() from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(fragment, "html.parser")
    for tag in soup.find_all(_DROPPED):
        tag.decompose()
    for tag in soup.find_all("style"):
        if _loads(tag.get_text()):
            tag.decompose()
    for tag in soup.find_all(True):
        _clean_attributes(tag)
    for tag in soup.find_all("img", src=False):
        tag.replace_with(str(tag.get("alt") or ""))
    return str(soup)


def notebooks_extra_missing() -> StudyError:
    """Return the error that names the optional packages for running studies."""
    return StudyError.build(
        "The packages that run studies are not installed.", hint='run: pip install "alliance-stats[notebooks]"'
    )


def _clean_attributes(tag: Tag) -> None:
    """Remove the attributes of a tag that run code or load something."""
    for name in list(tag.attrs):
        value = str(tag.attrs[name]).strip()
        link = name in {"href", "xlink:href"}
        if (
            name.startswith("on")
            or name in {"srcset", "background", "poster", "action", "formaction", "data"}
            or (name == "src" and not value.startswith("data:image/"))
            or (name == "style" and _loads(value))
            or (link and not _harmless_link(tag.name, value))
        ):
            del tag.attrs[name]


def _loads(style: str) -> bool:
    """Tell whether a style fetches something."""
    return "url(" in style.lower() or "@import" in style.lower()


def _harmless_link(tag: str, target: str) -> bool:
    """Tell whether a link waits for a click and leads to a page or a place in this one."""
    if tag == "a":
        return target.lower().startswith(("http://", "https://", "mailto:", "#"))
    return target.startswith("#")
