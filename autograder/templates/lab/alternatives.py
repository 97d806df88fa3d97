"""Right answers, written differently: each must get full marks."""

from autograder.suite import Alternative

ALTERNATIVES = [
    Alternative(
        name="running-sums",
        answers={
            "moving-average-answer": """
def moving_average(x, width):
    if not 1 <= width <= len(x):
        raise ValueError(width)
    sums = np.concatenate([[0.0], np.cumsum(x)])
    return (sums[width:] - sums[:-width]) / width
"""
        },
    ),
    Alternative(
        name="a-loop",
        answers={
            "moving-average-answer": """
def moving_average(x, width):
    if width < 1 or width > len(x):
        raise ValueError("no such window")
    return np.array([np.mean(x[i : i + width]) for i in range(len(x) - width + 1)])
"""
        },
    ),
]
