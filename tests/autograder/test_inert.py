from hypothesis import given
from hypothesis import strategies as st

from autograder.inert import inert, inert_line


def test_terminal_escapes_and_bidi_are_shown_as_replacement_characters():
    assert inert("\x1b]0;title\x07 a\u202eb\u2066c\x00") == "�]0;title� a�b�c�"


def test_newlines_tabs_and_every_letter_stay():
    assert inert("α\tβ\n語 🎵 é") == "α\tβ\n語 🎵 é"


def test_a_line_has_no_line_breaks_whatever_they_are_called():
    assert inert_line("a\r\nb\x0bc\u2028d\x85e") == "a� b�c�d�e"


@given(st.text(max_size=300), st.integers(1, 50))
def test_the_length_is_bounded_and_nothing_invisible_is_left(text, limit):
    shown = inert(text, limit)
    assert len(shown) <= limit + len(" … (cut)")
    assert all(
        character.isprintable() or character in "\n\t\u3000\u00a0 " or ord(character) > 127
        for character in shown
    )
