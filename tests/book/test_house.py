"""Corrections to the HTML that the theme and docutils make."""

import pytest
from house import corrected


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('<div role="doc-biblioentry">', '<div role="listitem">'),
        ('<th class="head"><p></p></th>', "<td></td>"),
        ('<th class="head text-left"></th>', "<td></td>"),
        ('<th class="head"><p>model</p></th>', '<th class="head"><p>model</p></th>'),
        (
            '<dl>\n<dd><em class="sig-param">a: int</em>,</dd>\n'
            '<dd><em class="sig-param">b</em>,</dd>\n</dl>',
            '<div class="sig-params"><div><em class="sig-param">a: int</em>,</div>\n'
            '<div><em class="sig-param">b</em>,</div>\n</div>',
        ),
    ],
)
def test_corrected(wrong, right):
    assert corrected(wrong) == right
