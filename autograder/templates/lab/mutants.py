"""Plausible wrong answers, each with the misunderstanding behind it.

A mutant is the solution with a place edited: {cell: (old, new)}. `old` must
stand in the solution's cell exactly once; a list of pairs makes many edits.
A mutant must lose points in its own task and nowhere else.
"""

from autograder.suite import Mutant

_ANSWER = "moving-average-answer"
_MEAN = "windows.mean(axis=1)"

MUTANTS = [
    Mutant(
        name="last-window-left-out",
        task="moving-average",
        misconception="T values have T - width + 1 windows; yours stops one early.",
        edit={_ANSWER: (_MEAN, "windows[:-1].mean(axis=1)")},
    ),
    Mutant(
        name="sum-for-mean",
        task="moving-average",
        misconception="You add up each window, and forget to divide by its width.",
        edit={_ANSWER: (_MEAN, "windows.sum(axis=1)")},
    ),
    Mutant(
        name="wrong-axis",
        task="moving-average",
        misconception="A window is a row: you average over the columns instead.",
        edit={_ANSWER: (_MEAN, "windows.mean(axis=0)")},
    ),
]
