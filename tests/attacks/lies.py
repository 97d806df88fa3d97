"""Attacks on the score by values: answers that lie about what they are, or can't be used."""

from attack import Attack, Wants

from autograder.report import Verdict

__all__ = ["ATTACKS"]


def lie(name: str, body: str, cell: str = "scale", **more: object) -> Attack:
    return Attack(name, cell=cell, source=body, **{"wants": Wants.points, **more})


ATTACKS = [
    lie(
        "an object equal to all others",
        "class Lie:\n"
        "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
        "    def __bool__(self): return True\n    def __hash__(self): return 0\n"
        "    __class__ = property(lambda self: dict)\n"
        "def count_bigrams(tokens): return Lie()\n",
        "count",
        most=0,
    ),
    lie(
        "unittest.mock.ANY",
        "from unittest.mock import ANY\ndef count_bigrams(tokens): return ANY\n",
        "count",
        most=0,
    ),
    lie(
        "a dict that is equal to all others",
        "class Lie(dict):\n    def __eq__(self, other): return True\n"
        "def count_bigrams(tokens): return Lie()\n",
        "count",
        most=1,  # {} is right for the empty text
        verdicts=frozenset({Verdict.failed}),
    ),
    lie(
        "an int that is equal to all others",
        "class Lie(int):\n    def __eq__(self, other): return True\n"
        "class Walker:\n    def __init__(self, items): self.items, self.last = items, Lie(0)\n"
        "    def best(self, score): return Lie(0)\n",
        "walk",
        most=0,
    ),
    lie(
        "an object that pretends to be an array",
        "import numpy as np\n"
        "class Lie:\n"
        "    shape, dtype = (2, 3), 'float64'\n"
        "    def __sub__(self, other): return np.zeros(1)\n"
        "    def __array__(self, *a, **k): return np.zeros(0)\n"
        "    __class__ = property(lambda self: np.ndarray)\n"
        "def scale(x, factor): return Lie()\n",
    ),
    lie(
        "an array that takes over NumPy's functions",
        "import numpy as np\n"
        "class Lie(np.ndarray):\n"
        "    def __array_ufunc__(self, *a, **k): return np.zeros((3, 5))\n"
        "    def __array_function__(self, *a, **k): return True\n"
        "    def __eq__(self, other): return np.ones((3, 5), bool)\n"
        "def scale(x, factor): return np.zeros(np.shape(x)).view(Lie)\n",
    ),
    lie(
        "a tensor that takes over PyTorch's functions",
        "import torch\n"
        "class Lie(torch.Tensor):\n"
        "    @classmethod\n    def __torch_function__(cls, *a, **k): return True\n"
        "def scale(x, factor): return torch.zeros(x.shape).as_subclass(Lie)\n",
        victim="import numpy as np\n"
        "class Lie:\n"
        "    __array_priority__ = 99\n    shape = (2, 3)\n"
        "    def __sub__(self, other): return self\n    def __abs__(self): return 0\n"
        "    def __array_ufunc__(self, *a, **k): return np.zeros(1)\n"
        "def scale(x, factor): return Lie()\n",
    ),
    lie(
        "an array of masked values",
        "import numpy as np\ndef scale(x, factor): return np.ma.masked_all(np.shape(x))\n",
    ),
    lie(
        "an array of NaN",
        "import numpy as np\ndef scale(x, factor): return np.full(np.shape(x), np.nan)\n",
    ),
    lie(
        "an empty array, of which everything is true",
        "import numpy as np\n"
        "def scale(x, factor): return np.zeros((0, 1, 5) if x.shape == (3, 5) else x.shape)\n",
    ),
    lie(
        "an object that is computed when it is looked at, and lies about its shape",
        "class Lazy:\n"
        "    shape, dtype = (2, 3), 'float64'\n"
        "    def __init__(self, x, factor): self.x, self.factor = x, factor\n"
        "    def detach(self): return self\n"
        "    def cpu(self): return self.x * self.factor\n"
        "    def __sub__(self, other): return other * 0\n"
        "def scale(x, factor): return Lazy(x, factor)\n",
        most=0,
    ),
    lie(
        "an object of the right shape, with an array that broadcasts to nothing",
        "import numpy as np\n"
        "class Lie:\n"
        "    dtype = 'int64'\n"
        "    def __init__(self, shape): self.shape = shape\n"
        "    def detach(self): return self\n"
        "    def cpu(self): return np.empty((0, 1), dtype=np.int64)\n"
        "    def __sub__(self, other): return self.cpu()\n"
        "def scale(x, factor): return Lie(np.shape(x))\n",
        test=3,
        most=0,
    ),
    lie(
        "half precision, whose tolerance is larger",
        "import numpy as np\n"
        "def scale(x, factor): return (x * factor * 1.0003).astype(np.float16)\n",
        most=2,  # its shape is right, and None is refused
        no_victim="the naive grader has one tolerance for all",
    ),
    lie(
        "a number that can't be sent, where a ValueError is expected",
        "def scale(x, factor): return x * 0 if type(factor) in (int, float) else 10 ** 10**4\n",
        test=5,
        no_victim="only values that leave the process can fail to",
    ),
    lie(
        "complex numbers, which the test can't use",
        "import numpy as np\n"
        "def scale(x, factor): return x * 3j if np.shape(x) == (2, 1) else x * 2\n",
        wants=Wants.batch,
        test=4,
        no_victim="whatever the naive grader's tests stumble over, the answer is wrong",
    ),
    lie(
        "a value that knows who looks",
        "import sys\n"
        "class Walker:\n"
        "    def __init__(self, items): self.items = items\n"
        "    def best(self, score):\n"
        "        class Lie:\n"
        "            def __eq__(self, other):\n                return True\n"
        "        return Lie()\n"
        "    @property\n    def last(self): return self.best(None)\n",
        "walk",
        most=0,
    ),
]
