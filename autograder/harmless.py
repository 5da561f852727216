"""Written answers as they stand in the notebook that a marker opens.

formgrader renders Markdown with every HTML element, link and formula in it, in the browser of somebody who may change
marks. The configuration of a course is not ours to rely on, so the text itself is made harmless: formatting, formulas,
links to pages and the pictures that were handed in remain; elements, pictures from elsewhere, and links that run or
submit something are left as the text they were written as.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_OWN_PICTURE: Final = re.compile(r"!\[([^\[\]<>\\`]*)\]\(attachment:([^)\s<>\"'\\`]+)\)")
_PICTURE_START: Final = re.compile(r"!(?=\[)")
# Anything else begins with a scheme that a browser may run, hides one in entities, or is relative to the marker's page.
_LINK_START: Final = re.compile(r"\](?=\((?!https?://|mailto:))")
_DEFINITION: Final = re.compile(r"\](?=:)")
_ELEMENT_START: Final = re.compile(r"<(?=[A-Za-z/!?])")
_FORMULA_THAT_ACTS: Final = re.compile(
    r"\\(href|url|require|cssId|class|style|data|html\w*|mmlToken|toggle|texttip|mathtip|action)(?![A-Za-z])"
)


def harmless_markdown(text: str, pictures: Collection[str]) -> str:
    """Return a student's Markdown such that nothing in it runs, loads or submits anything when it is rendered.

    Args:
        text: what the student wrote.
        pictures: names of the pictures in the cell; a picture that is not there would stop formgrader.
    """
    kept: list[str] = []
    place = 0
    for match in _OWN_PICTURE.finditer(text):
        if match[2] in pictures:
            kept += [_disarmed(text[place : match.start()]), match[0]]
            place = match.end()
    return "".join([*kept, _disarmed(text[place:])])


def _disarmed(text: str) -> str:
    # A space is enough for each: Markdown and HTML want the two characters side by side, and a formula does not care.
    for start in (_PICTURE_START, _LINK_START, _DEFINITION, _ELEMENT_START):
        text = start.sub(lambda match: f"{match[0]} ", text)
    return _FORMULA_THAT_ACTS.sub(r"\\text{\1}", text)
