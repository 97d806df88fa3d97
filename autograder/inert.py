"""Text from a stranger, made safe to show: no control or bidi characters, bounded length.

HTML is not escaped here: that is the template engine's work, at the place where HTML is made.
"""

import unicodedata

__all__ = ["inert", "inert_field", "inert_line"]

_BREAKS = frozenset("\n\t")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_MORE = " … (cut)"


def inert(text: str, limit: int = 2000) -> str:
    r"""Drop terminal escapes, control, bidi and invisible characters; cut at `limit` characters.

    Newlines and tabs stay. What is dropped leaves a � so that nothing vanishes unseen.

    >>> inert("\x1b[31mred\u202e!")
    '�[31mred�!'
    >>> inert("abcdef", limit=3)
    'abc … (cut)'
    """
    shown = "".join(_harmless(character) for character in text[:limit])
    return shown + _MORE if len(text) > limit else shown


def inert_line(text: str, limit: int = 200) -> str:
    r"""Do the same on one line: runs of white space become one space.

    >>> inert_line("two\n  lines")
    'two lines'
    """
    return " ".join(inert(text, limit).split())


def inert_field(text: str, limit: int = 500) -> str:
    r"""Do the same for a field of a spreadsheet: no formula, and no second field.

    A `;` would begin one where a spreadsheet takes it for the separator, and a formula after it.

    >>> inert_field("=1+1;=2")
    "'=1+1,=2"
    """
    line = inert_line(text, limit).replace(";", ",")
    return f"'{line}" if line.lstrip("\"' ").startswith(_FORMULA) else line


def _harmless(character: str) -> str:
    if character in _BREAKS:
        return character
    return "�" if unicodedata.category(character) in _DROPPED_CATEGORIES else character
