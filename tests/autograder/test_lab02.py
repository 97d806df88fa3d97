"""Lab 2 without the engine: the notebook, its suite and its sample class fit together.

That notebook and suite fit together, and that the suite catches what it should, is proven by
`autograder validate lab02`; that its oracles are right is proven here, against other libraries and
by hand.
"""

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nltk.lm import KneserNeyInterpolated, Lidstone
from nltk.util import ngrams
from sklearn.metrics import f1_score
from sklearn.naive_bayes import MultinomialNB

from autograder.engine import Engine
from autograder.errors import NotebookError, SuiteError
from autograder.hidden.lab02 import reference
from autograder.notebook import (
    answers,
    grade_id,
    is_answer,
    is_check,
    read,
    released,
    with_answers,
)
from autograder.samples import Sample, build, notebook_of, samples
from autograder.suite import load_suite
from seqcourse.ngram import AddK, NGram

SUITE = load_suite("lab02")
CELLS = SUITE.source["cells"]
CHECKS = [cell for cell in CELLS if is_check(cell)]
ANSWERS = [cell for cell in CELLS if is_answer(cell) and cell["cell_type"] == "code"]
TASKS = [
    "ngram-counts",
    "sequence-logprob",
    "add-k",
    "interpolation",
    "kneser-ney",
    "perplexity",
    "spam-classifier",
    "sampler",
    "viterbi",
]


def points(cell):
    return cell["metadata"]["nbgrader"].get("points", 0)


def text():
    return "\n".join(cell["source"] for cell in CELLS if cell["cell_type"] == "markdown")


def run(nb):
    """Run the set-up, the answers and the visible checks."""
    names = {"__name__": "__main__"}
    wanted = {"setup", *TASKS, *(grade_id(cell) for cell in ANSWERS)}
    for cell in nb["cells"]:
        if grade_id(cell) in wanted:
            exec(compile(cell["source"], cell["id"], "exec"), names)


# --- the notebook ------------------------------------------------------------------------------


def test_the_notebook_is_valid_and_has_no_outputs():
    nbformat.validate(nbformat.read(SUITE.notebook, as_version=4))
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_points_sum_to_one_hundred():
    assert sum(points(cell) for cell in CELLS if "nbgrader" in cell["metadata"]) == 100


def test_one_question_is_graded_by_hand():
    essays = [cell for cell in CELLS if is_answer(cell) and cell["metadata"]["nbgrader"]["grade"]]
    assert [(grade_id(cell), points(cell), cell["cell_type"]) for cell in essays] == [
        ("spam-question", 6, "markdown")
    ]


def test_the_tasks_are_the_expected_ones_in_order():
    assert [grade_id(cell) for cell in CHECKS] == TASKS
    assert [grade_id(cell) for cell in ANSWERS] == [f"{task}-answer" for task in TASKS]


def test_a_locked_check_follows_each_answer():
    for answer in ANSWERS:
        check = CELLS[CELLS.index(answer) + 1]
        assert is_check(check)
        assert check["metadata"]["nbgrader"]["locked"]
        assert f"{grade_id(check)}-answer" == grade_id(answer)


def test_grade_ids_are_cell_ids_and_unique():
    managed = [cell for cell in CELLS if grade_id(cell)]
    assert all(cell["id"] == grade_id(cell) for cell in managed)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    assert {cell["metadata"]["nbgrader"]["schema_version"] for cell in managed} == {3}


def test_the_table_of_tasks_says_the_points():
    table = re.findall(r"\| \d+ \| `([\w-]+)` \| .* \| (\d+) \|", text())
    assert {name: int(number) for name, number in table} == {
        **{grade_id(cell): points(cell) for cell in CHECKS},
        "spam-question": 6,
    }


def test_each_heading_says_the_points():
    said = [int(number) for number in re.findall(r"^## \d+ · .*\((\d+) points\)", text(), re.M)]
    assert said == [*(points(cell) for cell in CHECKS), 6]


def test_the_notebook_names_every_forbidden_module():
    line = next(line for line in text().splitlines() if "can't be imported" in line)
    named = re.findall(r"`([\w.]+)`", line)
    assert named == list(SUITE.forbidden)


def test_the_notebook_says_how_long_code_may_run():
    found = re.search(
        r"All cells together may run \*\*(\d+) s.* one call of a function (\d+)\.", text()
    )
    assert [float(number) for number in found.groups()] == [
        SUITE.limits.cells_seconds,
        SUITE.limits.call_seconds,
    ]


def test_explore_cells_say_what_they_are():
    explore = [cell for cell in CELLS if "explore" in cell["metadata"].get("tags", [])]
    assert len(explore) >= len(TASKS)
    assert all(cell["source"].startswith("# Explore") for cell in explore)
    assert all(grade_id(cell) is None for cell in explore)


def test_the_released_notebook_holds_no_solution():
    bare = released(SUITE.source)
    stub = "# YOUR CODE HERE\nraise NotImplementedError()"
    for cell in bare["cells"]:
        if is_answer(cell) and cell["cell_type"] == "code":
            assert stub.splitlines()[1] in cell["source"]
    everything = json.dumps(bare)
    solution = [
        line.strip()
        for cell in ANSWERS
        for region in re.findall(r"BEGIN SOLUTION\n(.*?)### END", cell["source"], re.S)
        for line in region.splitlines()
        if len(line.strip()) > 30
    ]
    assert len(solution) > 50
    assert [line for line in solution if json.dumps(line)[1:-1] in everything] == []


def test_every_function_keeps_its_signature_and_docstring_when_released():
    for name, source in answers(released(SUITE.source)).items():
        if name.endswith("-answer"):
            assert re.search(r"^(def|class) \w+", source, re.M)
            assert '"""' in source


# --- the suite -----------------------------------------------------------------------------------


def test_every_test_has_a_title_and_a_hint():
    assert all(spec.title.endswith(".") and spec.hint.endswith(".") for spec in SUITE.tests)
    assert len({spec.title for spec in SUITE.tests}) == len(SUITE.tests)


def test_prerequisites_are_of_the_same_task():
    of = {spec.function: spec.task for spec in SUITE.tests}
    assert all(of[spec.after] == spec.task for spec in SUITE.tests if spec.after)


def test_there_are_enough_mutants_each_with_a_name_of_its_own():
    assert len(SUITE.mutants) >= 10
    assert len({mutant.name for mutant in SUITE.mutants}) == len(SUITE.mutants)
    assert min(Counter(mutant.task for mutant in SUITE.mutants)[task] for task in TASKS) >= 2


@pytest.mark.parametrize("mutant", SUITE.mutants, ids=lambda mutant: mutant.name)
def test_mutants_edit_their_own_task_and_still_compile(mutant):
    assert list(mutant.edit) == [f"{mutant.task}-answer"]
    assert mutant.misconception.endswith(".")
    source = answers(with_answers(SUITE.source, mutant.edit))[f"{mutant.task}-answer"]
    compile(source, mutant.name, "exec")


def test_there_are_three_alternatives_for_the_whole_notebook():
    assert len(SUITE.alternatives) >= 3
    for other in SUITE.alternatives:
        assert list(other.answers) == [f"{task}-answer" for task in TASKS]


# --- the oracles -----------------------------------------------------------------------------


def fitted(model, ids, n):
    """Fit an NLTK model to all n-grams up to length n, of words written as strings."""
    tokens = [str(word) for word in ids]
    model.fit([[gram for size in range(1, n + 1) for gram in ngrams(tokens, size)]], tokens)
    return model


def test_add_k_agrees_with_nltk():
    ids = np.random.default_rng(1).integers(5, size=97).tolist()
    model = fitted(Lidstone(0.3, 2), ids, 2)
    counts = reference.ngram_counts(ids, 2)
    size = len(model.vocab)  # NLTK adds its unknown word
    for v, w in [(0, 1), (4, 4), (2, 0)]:
        theirs = model.score(str(w), [str(v)])
        assert reference.add_k(counts, (v, w), size, 0.3) == pytest.approx(theirs)


def test_kneser_ney_by_hand():
    # 0 1 0 2 0 1: after 0 came 1 twice and 2 once; 0 follows {1, 2}, 1 follows {0}, 2 follows {0}
    unigram = [(2 - 0.5) / 4 + 0.375 / 3, 0.5 / 4 + 0.375 / 3, 0.5 / 4 + 0.375 / 3]
    assert reference.kneser_ney([0, 1, 0, 2, 0, 1], [2, 2][:0], 3, 0.5) == pytest.approx(
        [2.5 / 6 + 0.25 / 3, 1.5 / 6 + 0.25 / 3, 0.5 / 6 + 0.25 / 3]
    )
    after_0 = [0, 1.5 / 3, 0.5 / 3]
    expected = [a + 0.5 * 2 / 3 * u for a, u in zip(after_0, unigram, strict=True)]
    assert reference.kneser_ney([0, 1, 0, 2, 0, 1], [0], 3, 0.5) == pytest.approx(expected)


def test_kneser_ney_agrees_with_nltk_but_for_the_lowest_level():
    """NLTK does not discount unigrams, so their difference, with its weight, is added."""
    ids, d = np.random.default_rng(2).integers(5, size=61).tolist(), 0.6
    model = fitted(KneserNeyInterpolated(2, discount=d), ids, 2)
    lowest = reference.kneser_ney(ids, [99], 5, d)
    for v in range(5):
        followers = [w for u, w in itertools.pairwise(ids) if u == v]
        passed = d * len(set(followers)) / len(followers)
        ours = reference.kneser_ney(ids, [v], 5, d)
        for w in range(5):
            beneath = passed * (lowest[w] - model.score(str(w)))
            assert ours[w] == pytest.approx(model.score(str(w), [str(v)]) + beneath)


def test_a_trigram_by_hand():
    # in 0 1 2 0 1 1, after "0 1" came 2 and 1 once each; "1 2", "1 1" have one word in front each
    d, ids = 0.5, [0, 1, 2, 0, 1, 1]
    lowest = [(1 - d) / 4, (2 - d) / 4, (1 - d) / 4]  # 0 after {2}, 1 after {0, 1}, 2 after {1}
    lowest = [p + d * 3 / 4 / 3 for p in lowest]
    middle = [0 + d * 2 / 2 * lowest[0], (1 - d) / 2, (1 - d) / 2]
    middle = [middle[0], *(p + d * 2 / 2 * q for p, q in zip(middle[1:], lowest[1:], strict=True))]
    top = [0, (1 - d) / 2, (1 - d) / 2]
    expected = [p + d * 2 / 2 * q for p, q in zip(top, middle, strict=True)]
    assert reference.kneser_ney(ids, [0, 1], 3, d) == pytest.approx(expected)
    assert sum(expected) == pytest.approx(1)


def test_naive_bayes_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    train = [rng.integers(6, size=size) for size in rng.integers(1, 9, size=31)]
    labels = np.r_[0, 1, 2, rng.integers(3, size=28)]
    bags = np.array([np.bincount(message, minlength=6) for message in train])
    peer = MultinomialNB(alpha=0.7).fit(bags, labels)
    texts = [message.tolist() for message in train]
    for message in train[:5]:
        ours = reference.log_posterior(texts, labels.tolist(), message.tolist(), 0, 6, 0.7)
        theirs = peer.predict_log_proba(np.bincount(message, minlength=6)[None])[0]
        assert ours == pytest.approx(theirs)


def test_bigram_posteriors_agree_with_the_package():
    rng = np.random.default_rng(4)
    train = [rng.integers(4, size=5) for _ in range(13)]
    labels = [0] * 8 + [1] * 5
    message = np.array([1, 0, 3])
    joint = [
        np.log(size / 13) + NGram(1, 4, AddK(0.5)).fit(own).logprobs(message).sum()
        for size, own in ((8, train[:8]), (5, train[8:]))
    ]
    texts = [text.tolist() for text in train]
    ours = reference.log_posterior(texts, labels, message.tolist(), 1, 4, 0.5)
    assert ours == pytest.approx(joint - np.logaddexp.reduce(joint))


def test_f1_agrees_with_scikit_learn():
    rng = np.random.default_rng(5)
    found, truth = (rng.choice(["ham", "spam"], size=53).tolist() for _ in range(2))
    expected = f1_score(truth, found, pos_label="spam")
    assert reference.f1(found, truth, "spam") == pytest.approx(expected)
    assert reference.f1(["ham"] * 53, truth, "spam") == 0


def test_a_spliced_message_is_made_of_two_others_of_its_class():
    messages = [[f"{place} {i}" for i in range(2 + place % 5)] for place in range(31)]
    labels = ["ham", "spam", "ham"] * 10 + ["ham"]
    spliced = reference.spliced(messages, labels, np.random.default_rng(6))
    halves = [(m[: len(m) // 2], m[len(m) // 2 :]) for m in messages]
    donors = []
    for place, message in enumerate(spliced):
        head, tail = halves[place][0], message[len(halves[place][0]) :]
        assert message[: len(head)] == head
        (donor,) = (i for i, (_, other) in enumerate(halves) if other == tail)
        assert (labels[donor], donor) != (labels[place], place)
        assert labels[donor] == labels[place]
        donors.append(donor)
    assert sorted(donors) == list(range(31))


def test_renamed_words_are_the_same_word_again_and_no_other():
    messages = [["to", "be", "or"], ["not", "to", "be", "!"], []]
    renamed = [text.split() for text in reference.renamed(messages, np.random.default_rng(7))]
    assert [len(message) for message in renamed] == [3, 4, 0]
    pairs = {
        pair
        for old, new in zip(messages, renamed, strict=True)
        for pair in zip(old, new, strict=True)
    }
    assert len(pairs) == len(dict(pairs)) == len({new for _, new in pairs}) == 5


def test_invented_words_differ_and_have_3_to_8_letters():
    found = reference.invented_words(2000, np.random.default_rng(8))
    assert len(set(found)) == 2000
    assert all(re.fullmatch("[a-z]{3,8}", word) for word in found)
    assert {len(word) for word in found} == {3, 4, 5, 6, 7, 8}


def test_the_oracle_for_long_readings_agrees_with_trying_all_paths():
    rng = np.random.default_rng(7)
    model = [reference.distributions(rng, *shape) for shape in ((3,), (3, 3), (3, 5))]
    readings = rng.integers(5, size=7).tolist()
    expected = reference.best_path_logprob(readings, *model)
    assert reference.best_logprob_of_long(readings, *model) == pytest.approx(expected)


@pytest.mark.parametrize("states", [[0, 2, 1], [0.0, 2.0], [], [np.uint8(2)]])
def test_states_are_whole_numbers(states):
    assert reference.are_states(np.array(states), 3)


@pytest.mark.parametrize("other", [[0, 3], [-1], [0.9], [np.nan], [1 + 0j], [True], ["1"], [None]])
def test_nothing_else_is_a_state(other):
    assert not reference.are_states(np.array(other), 3)


def test_the_fast_counter_agrees_with_the_slow_one():
    ids = np.random.default_rng(8).integers(7, size=301)
    grams, counts = reference.fast_trigrams(ids, 7)
    slow = reference.as_arrays(reference.ngram_counts(ids.tolist(), 3), 3)
    np.testing.assert_array_equal(grams, slow[0])
    np.testing.assert_array_equal(counts, slow[1])


def test_one_em_step_by_hand():
    probs = np.array([[0.8, 0.1, 0.5, 0.0], [0.2, 0.3, 0.0, 0.0]])
    assert reference.em_step(probs, [0.5, 0.5]) == pytest.approx([2.05 / 3, 0.95 / 3])


# --- the sample class ----------------------------------------------------------------------------


def test_sample_students_have_ids_and_stories_of_their_own():
    students = samples("lab02")
    assert len(students) >= 13
    assert len({sample.student for sample in students}) == len(students)
    assert all(re.fullmatch(r"[a-z]+", sample.student) and sample.about for sample in students)
    assert all(sample.expected_score is None for sample in students if sample.kept < 1)


def test_the_sample_class_is_handed_in_as_nbgrader_wants_it(tmp_path):
    paths = build("lab02", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        f"{sample.student}/lab02/lab02.ipynb" for sample in samples("lab02")
    ]
    for sample, path in zip(samples("lab02"), paths, strict=True):
        if sample.kept == 1:
            nbformat.validate(nbformat.read(path, as_version=4))
            assert "SOLUTION" not in path.read_text(encoding="utf-8")
        else:
            with pytest.raises(NotebookError, match="not JSON"):
                read(path)


def test_the_sample_class_gets_what_it_should(tmp_path):
    paths, students = build("lab02", tmp_path), samples("lab02")
    with Engine(SUITE) as engine:
        reports = [
            engine.grade(path, student=sample.student)
            for path, sample in zip(paths, students, strict=True)
        ]
    assert {each.student: (each.status, each.score) for each in reports} == {
        each.student: (each.expected_status, each.expected_score or 0.0) for each in students
    }


def test_the_perfect_student_wrote_the_solution_and_the_idle_one_nothing(tmp_path):
    by_name = {sample.student: notebook_of(sample, SUITE.source) for sample in samples("lab02")}
    assert by_name["george"]["cells"] == released(SUITE.source)["cells"]
    run(by_name["ada"])


def test_an_unknown_lab_has_no_sample_class(tmp_path):
    with pytest.raises(SuiteError, match="no sample class for 'lab99'"):
        samples("lab99")


def test_a_sample_that_names_an_unknown_cell_is_refused():
    sample = Sample("zoe", "names a cell that is not there", 0.0, deleted=("nonsense",))
    with pytest.raises(KeyError, match=r"'zoe' names cells that do not exist: {'nonsense'}"):
        notebook_of(sample, SUITE.source)


def test_the_notebook_stands_where_the_suite_looks():
    assert Path(SUITE.notebook).parts[-3:] == ("solutions", "lab02", "lab02.ipynb")
