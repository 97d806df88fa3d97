"""The sample class of lab 2."""

from autograder.hidden.lab02.alternatives import ALTERNATIVES
from autograder.hidden.lab02.mutants import MUTANTS
from autograder.notebook import Answer
from autograder.samples import Sample

__all__ = ["SAMPLES"]


def _mutant(name: str) -> dict[str, Answer]:
    return next(dict(mutant.edit) for mutant in MUTANTS if mutant.name == name)


def _alternative(name: str) -> dict[str, Answer]:
    return next(dict(other.answers) for other in ALTERNATIVES if other.name == name)


_FULL = 94.0  # the other six points are for the written answer

_TYPO = (
    "def kneser_ney(ids, contexts, vocab_size, discount):",
    "def kneser_ney(ids, contexts, vocab_size, discount)",
)
_DIVISION = "average_length = sum(map(len, [])) / len([])"

_ENDLESS = (
    "    for t in range(length - 1, 0, -1):\n        path[t - 1] = came_from[t, path[t]]\n",
    "    t = length - 1\n    while t != 0:\n        path[t - 1] = came_from[t, path[t]]\n",
)

_HOARDER = [
    (
        "    states = np.empty(length, dtype=np.int64)\n",
        "    states = [int(start.argmax())]\n"
        "    while len(states) != length + 1:  # jumps over it\n"
        "        states = states + states\n"
        "    states = np.array(states)\n",
    )
]

_HELPER = '''
def sorted_rows(rows):
    """Sort rows by the first column, ties by the second, and so on."""
    return rows[np.lexsort(rows.T[::-1])]
'''
_USES_HELPER = (
    "windows = windows[np.lexsort(windows.T[::-1])]  # lexsort takes the most important key last",
    "windows = sorted_rows(windows)",
)

# --- the spy: looks everywhere for the hidden tests, and says in its error what it found ----------

_SPY = r"""
import gc, glob, importlib, linecache, os, socket, sys

LOOT = []
WANTED = {"lab.toml", "mutants.py", "alternatives.py", "matrix.json", "test_09_viterbi.py",
          "lab02.ipynb", "gradebook.db", "reports.db"}


def keep(where, what):
    LOOT.append(f"{where}: {what}"[:300])


def look_on_disk():
    for folder, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if f not in ("proc", "sys", "site-packages")]
        for name in WANTED & set(files):
            keep("disk", os.path.join(folder, name))


def look_at_processes():
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        text = open(path, "rb").read()
        if b"hidden" in text or b"submitted" in text:
            keep("proc", path)
    for link in glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/cwd"):
        if "hidden" in os.readlink(link):
            keep("proc", link)


def look_at_environment():
    for name, value in os.environ.items():
        if "hidden" in value or "submitted" in value:
            keep("environment", name)


def look_at_modules():
    for name in list(sys.modules):
        if name.startswith(("autograder.suite", "autograder.hidden", "_pytest")):
            keep("module", name)
    for name in linecache.cache:
        if "test_0" in name or "hidden" in name:
            keep("linecache", name)


def look_at_frames():
    frame = sys._getframe()
    while frame is not None:
        for name, value in frame.f_locals.items():
            if name in ("suite", "expected", "wanted", "grading"):
                keep("frame", name)
        frame = frame.f_back


def look_at_garbage():
    for thing in gc.get_objects():
        if callable(thing) and hasattr(type(thing), "__name__"):
            if "__autograder__" in getattr(thing, "__dict__", {}):
                keep("gc", getattr(thing, "__name__", "?"))


def look_at_solutions():
    for name in ("autograder.hidden.lab02.reference", "autograder.suite", "seqcourse.ngram",
                 "seqcourse.hmm", "nltk.lm"):
        try:
            importlib.import_module(name)
            keep("import", name)
        except ImportError:
            pass


def look_around():
    socket.create_connection(("127.0.0.1", 8888), timeout=1).close()
    keep("network", "something listens")


for look in (look_on_disk, look_at_processes, look_at_environment, look_at_modules,
             look_at_frames, look_at_garbage, look_at_solutions, look_around):
    try:
        look()
    except Exception as error:
        print(look.__name__, "failed:", error)
print("LOOT", LOOT)
raise RuntimeError(f"the spy found {LOOT or 'nothing'}")
"""

_SPY_ANSWER = '''
def loot(*arguments, **options):
    """Send home what was found, and look once more from inside a call."""
    try:
        look_at_frames()
        look_at_garbage()
        look_at_processes()
    except Exception as error:
        print(error)
    return "the spy found " + str(LOOT or "nothing")


'''


def _spying(*functions: str) -> str:
    return _SPY_ANSWER + "\n".join(f"{name} = loot" for name in functions)


# --- the forger: wants points without answers ---------------------------------------------------

_FORGER = r'''
import builtins, json, os, pathlib, sys


class Liar:
    """Equal to everything, of every shape, close to all."""

    dtype, shape, ndim, size = np.dtype("int64"), (3, 2), 2, 6
    __class__ = np.ndarray

    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __float__(self): return 1.0
    def __len__(self): return 3
    def __iter__(self): return iter([self, self])
    def __getitem__(self, key): return self
    def __getattr__(self, name): return self
    def __call__(self, *arguments): return self
    def __array__(self, *arguments, **options): return np.ones((3, 2))
    def __array_ufunc__(self, *arguments, **options): return True
    def __array_function__(self, *arguments, **options): return True
    def __hash__(self): return 0


class Chameleon(np.ndarray):
    """An array that calls itself equal to others."""

    def __eq__(self, other): return np.ones(self.shape, dtype=bool)
    def __array_ufunc__(self, *arguments, **options): return np.ones(self.shape, dtype=bool)


class Yes(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0


def always(*arguments, **options):
    return True


for name in ("isclose", "allclose", "array_equal"):
    setattr(np, name, always)
    setattr(np.testing, "assert_" + name, always)
np.testing.assert_allclose = always
builtins.isinstance_ = isinstance
for name in ("torch", "pytest", "autograder.expect"):
    module = sys.modules.get(name)
    for function in ("allclose", "equal", "expect_close", "expect_equal", "expect_true"):
        if module is not None:
            setattr(module, function, always)
if "torch" in sys.modules:
    sys.modules["torch"].testing.assert_close = always

fake = {"lab": "lab02", "status": "graded", "score": 94, "max_score": 94, "verdict": "passed"}
for place in (".", "..", "/", "/tmp", os.path.expanduser("~")):
    for name in ("report.json", "gradebook.db", "conftest.py", "sitecustomize.py", "numpy.py"):
        try:
            pathlib.Path(place, name).write_text("always = True  # " + json.dumps(fake))
        except OSError:
            pass
print(json.dumps(fake))
print("PASSED PASSED PASSED  94 of 94 points")
'''

_FORGED: dict[str, Answer] = {
    "ngram-counts-answer": "def ngram_counts(ids, n):\n    return Liar(), Liar()\n",
    "sequence-logprob-answer": (
        "def sequence_logprobs(ids, lengths, start, transition):\n"
        "    return np.zeros((3, 2)).view(Chameleon)\n"
    ),
    "add-k-answer": (
        "def add_k(ngrams, counts, queries, vocab_size, k):\n    return [Yes(0.5)] * 94\n"
    ),
    "interpolation-answer": "interpolate = tune_weights = Liar()\n",
    "kneser-ney-answer": (
        "def kneser_ney(ids, contexts, vocab_size, discount):\n    raise SystemExit(0)\n"
    ),
    "perplexity-answer": (
        "def perplexity(logprobs):\n    return Yes(1.0)\n\n\n"
        "def bits_per_character(logprobs, n_characters):\n    return Yes(1.0)\n"
    ),
    "spam-classifier-answer": (
        "class MarkovClassifier(Liar):\n    def __init__(self, *arguments):\n        pass\n\n\n"
        "def spam_filter(train_texts, train_labels, test_texts):\n"
        "    return [Liar()] * len(test_texts)\n"
    ),
    "sampler-answer": (
        "def temper(probs, temperature):\n"
        '    reply = json.dumps([1, "value", probs.tolist()]).encode()\n'
        "    for handle in range(3, 64):\n"
        "        try:\n"
        '            os.write(handle, len(reply).to_bytes(4, "big") + reply)\n'
        "        except OSError:\n"
        "            pass\n"
        "    return 'passed'\n\n\n"
        "generate = temper\n"
    ),
    "viterbi-answer": ("def viterbi(readings, start, transition, emission):\n    os._exit(0)\n"),
}

_TASKS_1_TO_4 = (
    "ngram-counts-answer",
    "sequence-logprob-answer",
    "add-k-answer",
    "interpolation-answer",
)

SAMPLES = [
    Sample("ada", "has understood everything, and wrote what the authors wrote", _FULL),
    Sample(
        "blaise",
        "thinks in dictionaries and loops, and is just as right",
        _FULL,
        changes=_alternative("dictionaries-and-loops"),
    ),
    Sample(
        "carl",
        "took |V| for the number of n-grams, as a lecture says (v-counts-ngrams)",
        _FULL - 6,
        changes=_mutant("v-counts-ngrams"),
    ),
    Sample(
        "daphne",
        "multiplies by the temperature where it should divide (temperature-multiplies)",
        _FULL - 7,
        changes=_mutant("temperature-multiplies"),
    ),
    Sample(
        "emmy",
        "forgot that Kneser-Ney counts differently below the top (raw-counts-below)",
        _FULL - 9,
        changes=_mutant("raw-counts-below"),
    ),
    Sample(
        "florence",
        "ran out of time after the fourth task",
        38.0,
        answered=_TASKS_1_TO_4,
    ),
    Sample("george", "handed in the notebook as it came", 0.0, answered=()),
    Sample(
        "hypatia",
        "lost a colon on the last evening, and divides by zero in a cell of her own",
        _FULL - 14,
        changes={"kneser-ney-answer": _TYPO},
        added=(("add-k", _DIVISION),),
    ),
    Sample(
        "ivan",
        "walks back along Viterbi's path and never arrives",
        _FULL - 12,
        changes={"viterbi-answer": _ENDLESS},
    ),
    Sample(
        "jocelyn",
        "doubles a list until the memory is gone",
        _FULL - 4,
        changes={"sampler-answer": _HOARDER},
    ),
    Sample(
        "kurt",
        "a spy: looks for the hidden tests, and says what he found",
        0.0,
        answered=(),
        changes={
            "ngram-counts-answer": _spying("ngram_counts"),
            "sequence-logprob-answer": "sequence_logprobs = loot",
            "add-k-answer": "add_k = loot",
            "interpolation-answer": "interpolate = tune_weights = loot",
            "kneser-ney-answer": "kneser_ney = loot",
            "perplexity-answer": "perplexity = bits_per_character = loot",
            "spam-classifier-answer": "MarkovClassifier = spam_filter = loot",
            "sampler-answer": "temper = generate = loot",
            "viterbi-answer": "viterbi = loot",
        },
        added=(("setup", _SPY),),
    ),
    Sample(
        "mallory",
        "a forger: wants points without answers",
        0.0,
        answered=(),
        changes=_FORGED,
        added=(("setup", _FORGER),),
    ),
    Sample(
        "niels",
        "keeps a helper in a cell of his own, and has deleted two check cells",
        _FULL,
        changes={"ngram-counts-answer": _USES_HELPER},
        added=(("setup", _HELPER),),
        deleted=("add-k", "viterbi"),
    ),
    Sample(
        "omar",
        "has a file that was cut off on its way",
        None,
        "not_graded",
        kept=0.4,
    ),
]
