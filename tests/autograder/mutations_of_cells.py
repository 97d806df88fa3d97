"""What a person or a program can do to the JSON of a notebook: each function changes a parsed one.

Those in `KEEPS` change no word of any answer, and take from no answer all that it can be known by.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["KEEPS", "MIXABLE", "TREES", "dumped"]

Tree = Any  # what JSON can hold
Rng = random.Random


ODD: list[Tree] = [None, True, -1, 1e999, 2**70, "", "x", [], {}, [[]], {"a": {"b": None}}]
ODD += ["\ud800", "\x00", "../../etc/passwd", "<script>", "=1+1", "\u202e", "é" * 300]
HARMLESS = ["x = 1", "print('a cell more')", "%matplotlib inline", "", "# 🙂", "raise ValueError"]


def _cell(rng: Rng, nb: Tree) -> Tree:
    return rng.choice(nb["cells"])


def _about(rng: Rng, nb: Tree) -> Tree:
    """Pick what nbgrader says about some cell."""
    return rng.choice([c["metadata"]["nbgrader"] for c in nb["cells"] if _is_managed(c)])


def _is_managed(cell: Tree) -> bool:
    return isinstance(cell["metadata"], dict) and isinstance(cell["metadata"].get("nbgrader"), dict)


def _is_answer(cell: Tree) -> bool:
    return _is_managed(cell) and bool(cell["metadata"]["nbgrader"].get("solution"))


def _delete_a_check_or_text(rng: Rng, nb: Tree) -> Tree:
    nb["cells"].remove(rng.choice([cell for cell in nb["cells"] if not _is_answer(cell)]))
    return nb


def _copy_a_cell(rng: Rng, nb: Tree) -> Tree:
    nb["cells"].insert(rng.randrange(len(nb["cells"]) + 1), copy.deepcopy(_cell(rng, nb)))
    return nb


def _reorder(rng: Rng, nb: Tree) -> Tree:
    rng.shuffle(nb["cells"])
    return nb


def _retype(rng: Rng, nb: Tree) -> Tree:
    _cell(rng, nb)["cell_type"] = rng.choice(["markdown", "code", "raw", "heading", *ODD])
    return nb


def _unlock(rng: Rng, nb: Tree) -> Tree:
    for cell in filter(_is_managed, nb["cells"]):
        cell["metadata"]["nbgrader"]["locked"] = rng.choice([False, *ODD])
        cell["metadata"]["deletable"] = cell["metadata"]["editable"] = True
    return nb


def _change_points(rng: Rng, nb: Tree) -> Tree:
    _about(rng, nb)["points"] = rng.choice([1e9, -5, float("nan"), Raw("9" * 400), *ODD])
    return nb


def _change_a_role(rng: Rng, nb: Tree) -> Tree:
    _about(rng, nb)[rng.choice(["grade", "solution", "task", "checksum"])] = rng.choice(ODD)
    return nb


def _change_schema_version(rng: Rng, nb: Tree) -> Tree:
    for cell in filter(_is_managed, nb["cells"]):
        cell["metadata"]["nbgrader"]["schema_version"] = rng.choice([0, 1, 99, "3", *ODD])
    return nb


def _change_a_grade_id(rng: Rng, nb: Tree) -> Tree:
    _about(rng, nb)["grade_id"] = rng.choice(["no-such-cell", *ODD])
    return nb


def _change_a_cell_id(rng: Rng, nb: Tree) -> Tree:
    _cell(rng, nb)["id"] = rng.choice(["no-such-cell", *ODD])
    return nb


def _same_cell_id_everywhere(rng: Rng, nb: Tree) -> Tree:
    for cell in nb["cells"]:
        cell["id"] = "same"
    return nb


def _forget_nbgrader(rng: Rng, nb: Tree) -> Tree:
    for cell in nb["cells"]:
        cell["metadata"] = rng.choice([{}, None, [], 3])
    return nb


def _forget_all_ids(rng: Rng, nb: Tree) -> Tree:
    """What remains when cells are copied into a new notebook one by one."""
    nb["cells"] = [{k: cell[k] for k in ("cell_type", "source")} for cell in nb["cells"]]
    return nb


def _lose_or_bend_a_key(rng: Rng, nb: Tree) -> Tree:
    cell = _cell(rng, nb)
    key = rng.choice([key for key in cell if key not in ("source", "metadata", "cell_type")])
    cell[key] = rng.choice(ODD)
    if rng.random() < 0.5:
        del cell[key]
    return nb


def _change_kernelspec(rng: Rng, nb: Tree) -> Tree:
    odd = [{"name": rng.choice(ODD), "language": "R"}, *ODD]
    nb["metadata"]["kernelspec"] = rng.choice(odd)
    nb["metadata"]["language_info"] = rng.choice([{"name": "julia"}, *ODD])
    return nb


def _change_metadata(rng: Rng, nb: Tree) -> Tree:
    nb["metadata"] = rng.choice(ODD)
    return nb


def _change_nbformat(rng: Rng, nb: Tree) -> Tree:
    nb["nbformat"] = rng.choice([3, 4, 5, 99, "4", -4, *ODD])
    nb["nbformat_minor"] = rng.choice([0, 4, 5, 99, *ODD])
    return nb


def _megabytes_of_metadata(rng: Rng, nb: Tree) -> Tree:
    where = rng.choice([nb, _cell(rng, nb)])
    where["metadata"]["big"] = rng.choice(["x" * 3_000_000, [{}] * 300_000, ["é" * 9] * 100_000])
    return nb


def _deep_metadata(rng: Rng, nb: Tree) -> Tree:
    depth = rng.choice([100, 900, 2_000, 100_000])
    _cell(rng, nb)["metadata"]["deep"] = Raw("[" * depth + "]" * depth)
    return nb


def _outputs(rng: Rng, nb: Tree) -> Tree:
    image = {"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script>"}}
    error = {"output_type": "error", "ename": "\x1b[31m", "evalue": None, "traceback": 7}
    cell = _cell(rng, nb)
    cell["outputs"] = rng.choice([[image], [error] * 50, ["x" * 1_000_000], *ODD])
    cell["execution_count"] = rng.choice(ODD)
    return nb


def _attachments(rng: Rng, nb: Tree) -> Tree:
    _cell(rng, nb)["attachments"] = rng.choice([{"../x.png": {"image/png": "AAAA"}}, *ODD])
    return nb


def _lines_for_source(rng: Rng, nb: Tree) -> Tree:
    for cell in nb["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    return nb


def _add_cells(rng: Rng, nb: Tree) -> Tree:
    for _ in range(rng.choice([1, 5])):
        kind, source = rng.choice(["code", "markdown", "raw"]), rng.choice(HARMLESS)
        cell = {"cell_type": kind, "metadata": {}, "source": source, "outputs": rng.choice(ODD)}
        nb["cells"].insert(rng.randrange(len(nb["cells"]) + 1), cell)
    return nb


def _change_a_check(rng: Rng, nb: Tree) -> Tree:
    checks = [cell for cell in nb["cells"] if _is_managed(cell) and not _is_answer(cell)]
    rng.choice(checks)["source"] = rng.choice(["pass", "raise SystemExit", "print(100)", ""])
    return nb


def _too_many_cells(rng: Rng, nb: Tree) -> Tree:
    nb["cells"] += [{"cell_type": "markdown", "metadata": {}, "source": ""}] * rng.choice(
        [999, 9999]
    )
    return nb


def _delete_an_answer(rng: Rng, nb: Tree) -> Tree:
    nb["cells"].remove(rng.choice([cell for cell in nb["cells"] if _is_answer(cell)]))
    return nb


def _odd_source(rng: Rng, nb: Tree) -> Tree:
    _cell(rng, nb)["source"] = rng.choice(["\ud800 x", "a\x00b", ["a", 1], {"a": 1}, 7, *ODD])
    return nb


def _big_source(rng: Rng, nb: Tree) -> Tree:
    _cell(rng, nb)["source"] = rng.choice(["#" * 3_000_000, "(" * 5_000, "x = 1\n" * 5_000])
    return nb


def _swap_sources(rng: Rng, nb: Tree) -> Tree:
    one, two = rng.sample(nb["cells"], 2)
    one["source"], two["source"] = two["source"], one["source"]
    return nb


def _swap_grade_ids(rng: Rng, nb: Tree) -> Tree:
    one, two = rng.sample([cell for cell in nb["cells"] if _is_managed(cell)], 2)
    one["metadata"], two["metadata"] = two["metadata"], one["metadata"]
    return nb


def _odd_cells(rng: Rng, nb: Tree) -> Tree:
    nb["cells"] = rng.choice([*ODD, [None], [[]], ["x = 1"], [{}], [{"source": "x"}] * 3])
    return nb


def _odd_cell(rng: Rng, nb: Tree) -> Tree:
    nb["cells"][rng.randrange(len(nb["cells"]))] = rng.choice(ODD)
    return nb


def _odd_top_level(rng: Rng, nb: Tree) -> Tree:
    return rng.choice([[nb], {"notebook": nb}, {**nb, "worksheets": [nb]}, nb["cells"], *ODD])


KEEPS: list[Callable[[Rng, Tree], Tree]] = [_delete_a_check_or_text, _copy_a_cell, _reorder]
KEEPS += [_retype, _unlock, _change_points, _change_a_role, _change_schema_version]
KEEPS += [_change_a_grade_id, _change_a_cell_id, _same_cell_id_everywhere, _forget_nbgrader]
KEEPS += [_forget_all_ids, _lose_or_bend_a_key, _change_kernelspec, _change_metadata]
KEEPS += [_change_nbformat, _megabytes_of_metadata, _deep_metadata, _outputs, _attachments]
KEEPS += [_lines_for_source, _add_cells, _change_a_check, _too_many_cells]
LOSES = [_delete_an_answer, _odd_source, _big_source, _swap_sources, _swap_grade_ids, _odd_cells]
LOSES += [_odd_cell, _odd_top_level]
TREES = KEEPS + LOSES
MIXABLE = [_copy_a_cell, _reorder, _retype, _unlock, _change_points, _change_a_role, _add_cells]
MIXABLE += [_change_kernelspec, _change_nbformat, _outputs, _attachments, _change_a_cell_id]


def dumped(tree: Tree) -> bytes:
    """Serialise; a `Raw` is put in as it stands, for what `json` would not write."""
    raws: list[str] = []

    def stand_in(value: Any) -> str:
        raws.append(value.text)
        return f"@raw{len(raws) - 1}@"

    text = json.dumps(tree, default=stand_in)
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text.encode()


@dataclass(frozen=True)
class Raw:
    """JSON text to be written as it stands."""

    text: str
