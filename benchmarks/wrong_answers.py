"""Wrong answers that nobody thought of: one small edit to a solution, made by a program.

The edits are the usual ones of mutation testing (DeMillo, Lipton & Sayward 1978): another operator,
a comparison off by one or turned round, a constant off by one, a condition negated, an argument
left out, a statement left out.
"""

import ast
import copy
from collections.abc import Iterator

__all__ = ["edits"]

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def edits(source: str) -> Iterator[str]:
    """Yield the source with each possible edit, one at a time, without comments.

    >>> sorted(edits("x = a + 1"))
    ['pass', 'x = a + 0', 'x = a + 2', 'x = a - 1']
    """
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        for number in range(len(_changes(node))):
            changed = copy.deepcopy(tree)
            _apply(changed, index, number)
            yield ast.unparse(ast.fix_missing_locations(changed))


def _apply(tree: ast.AST, index: int, number: int) -> None:
    """Put one change in the place of the node that `ast.walk` meets at `index`."""
    node = list(ast.walk(tree))[index]
    new = _changes(node)[number]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(item is node for item in value):
                setattr(parent, name, [new if item is node else item for item in value])


def _changes(node: ast.AST) -> list[ast.AST]:
    """Return what may stand in the place of a node."""
    match node:
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            return [ast.BinOp(node.left, _OPERATORS[type(op)](), node.right)]
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            return [ast.Compare(node.left, [_COMPARISONS[type(op)]()], node.comparators)]
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return [ast.Constant(value + 1), ast.Constant(value - 1)]
        case ast.Constant(value=bool() as value):
            return [ast.Constant(not value)]
        case ast.If():
            return [ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
        case ast.IfExp():
            return [ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)]
        case ast.Call(keywords=[*_, _]):
            return [
                ast.Call(node.func, node.args, [k for k in node.keywords if k is not left])
                for left in node.keywords
            ]
        case ast.Assign() | ast.AugAssign():
            return [ast.Pass()]
        case ast.Expr(value=ast.Call()):
            return [ast.Pass()]
    return []
