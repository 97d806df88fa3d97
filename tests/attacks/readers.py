"""Attacks on the people who read: in pages, on terminals, in spreadsheets."""

from attack import NO_ANSWER, Attack, Wants

__all__ = ["ATTACKS"]


def says(name: str, wants: Wants, raised: str) -> Attack:
    """An attack that is in the words of an exception, which the notes on its cell repeat."""
    return Attack(name, wants, f"raise {raised}\n", verdicts=NO_ANSWER, most=0)


ATTACKS = [
    says("puts a script into a message", Wants.page, "ValueError('<script>alert(1)</script>')"),
    says(
        "puts an image that runs a script into a message",
        Wants.page,
        "ValueError('</li><img src=x onerror=alert(1)>')",
    ),
    says("puts a script into a key", Wants.page, "KeyError('<script>alert(1)</script>')"),
    says(
        "puts a script into the name of a class",
        Wants.page,
        "type('<script>alert(1)</script>', (Exception,), {})",
    ),
    says("colours the terminal", Wants.terminal, "ValueError('\\x1b[31mred\\x1b]0;title\\x07')"),
    says("clears the terminal", Wants.terminal, "ValueError('\\x1b[2J\\x1b[H10 of 10 points')"),
    says("turns the text round", Wants.terminal, "ValueError('\\u202estniop 01 fo 01')"),
    says("puts a formula into a table", Wants.table, "ValueError('=cmd|\"/C calc\"!A0')"),
    says("puts a link into a table", Wants.table, "ValueError('=HYPERLINK(A1)')"),
    says("puts a formula with a plus into a table", Wants.table, "ValueError('+1+1')"),
    says("puts a formula with an at into a table", Wants.table, "ValueError('@SUM(A1)')"),
]
