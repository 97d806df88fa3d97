"""Build the book into ``_build/html``: ``python book/build.py``.

Jupyter Book does the work; this script adds what its command line leaves out:

* MathJax is copied out of an installed package, so that the book needs no CDN;
* the cache of executed pages is emptied when ``seqcourse``, a requirement or a data file of
  the book changed (Jupyter Book looks at the cells of a page only);
* nothing is written outside of ``_build``: not into the home directory either;
* warnings are errors, and every page says when it is being run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import http.server
import importlib.util
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
HTML = BUILD / "html"

MATHJAX_PARTS = (  # of 44 MB, what a page or MathJax's own menu can ask for
    "tex-chtml.js",
    "input/tex/extensions",
    "output",
    "ui",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)

RUN_AGAIN_WHEN_CHANGED = (
    "seqcourse/**/*.py",
    "requirements*.txt",
    "book/*.json",
    "autograder/templates/lab/*",  # shown by the page on labs
)
READ_AGAIN_WHEN_CHANGED = ("book/_ext/*.py", "book/_templates/*", "book/_static/*", "_config.yml")
WATCHED = ("book/**/*.md", "_toc.yml", *RUN_AGAIN_WHEN_CHANGED, *READ_AGAIN_WHEN_CHANGED)

REDIRECT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Sequence models</title>
<link rel="icon" href="_static/favicon.svg">
<meta http-equiv="refresh" content="0; url=book/index.html">
</head>
<body><main><h1>Sequence models</h1><p><a href="book/index.html">To the book</a></p></main></body>
</html>
"""


class BuildError(RuntimeError):
    """The book cannot be built; the message says what to do."""


def mathjax_source() -> Path:
    """Folder of MathJax inside the installed package, which is looked at, never imported."""
    spec = importlib.util.find_spec("mathjax")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError(
            "MathJax is missing: run 'pip install --no-deps -r requirements-files.txt' "
            "(package django-static-mathjax), or 'make course', which does"
        )
    return Path(spec.submodule_search_locations[0]) / "static/mathjax/es5"


def copy_mathjax(destination: Path) -> None:
    """Copy the parts of MathJax that pages use, unless they are there already."""
    source = mathjax_source()
    for part in MATHJAX_PARTS:
        target = destination / part
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / part).is_dir() else shutil.copy2
        copy(source / part, target)


def digest(root: Path, patterns: Iterable[str]) -> str:
    """Hash of names and contents of all files under ``root`` that match a pattern."""
    files = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    total = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(root).as_posix().encode()
        total.update(b"%d:%s%d:" % (len(name), name, path.stat().st_size))
        total.update(path.read_bytes())
    return total.hexdigest()


def forget_if_changed(root: Path, build: Path) -> list[str]:
    """Drop caches whose inputs changed since they were begun; says what was dropped."""
    dropped = []
    for stamp, patterns, caches in _caches(build):
        now = digest(root, patterns)
        if stamp.exists() and stamp.read_text() == now:
            continue
        for cache in filter(Path.exists, caches):
            shutil.rmtree(cache)
            dropped.append(cache.name)
        stamp.write_text(now)
    return dropped


def _caches(build: Path) -> list[tuple[Path, tuple[str, ...], list[Path]]]:
    doctrees, runs = build / ".doctrees", build / ".jupyter_cache"
    return [
        (build / ".run-inputs", RUN_AGAIN_WHEN_CHANGED, [runs, doctrees]),
        (build / ".read-inputs", READ_AGAIN_WHEN_CHANGED, [doctrees]),
    ]


def keep_out_of_home(build: Path) -> None:
    """Point Jupyter, IPython and Matplotlib at folders of the build, and find ``seqcourse``."""
    for variable, folder in {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
        "MPLCONFIGDIR": "matplotlib",
    }.items():
        path = build / ".cache" / folder
        path.mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(path)
    profile = build / ".cache/ipython/profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    # Otherwise each kernel warns on stderr that it talks over TCP on this machine.
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


@contextlib.contextmanager
def alone(build: Path) -> Iterator[None]:
    """Wait until no other build writes into the same folder."""
    build.mkdir(parents=True, exist_ok=True)
    with (build / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build is running: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sphinx_build(build: Path, toc: Path, *, strict: bool = True, verbose: bool = False) -> bool:
    """Run Jupyter Book's Sphinx on the sources; true when it went well."""
    from jupyter_book.sphinx import build_sphinx

    overrides = {
        "external_toc_path": toc.as_posix(),
        "latex_individualpages": False,
        "nitpicky": True,
        "html_extra_path": [str(BUILD / "extra")],
    }
    result = build_sphinx(
        ROOT,
        build / "html",
        noconfig=True,
        path_config=ROOT / "_config.yml",
        confoverrides=overrides,
        doctreedir=build / ".doctrees",
        warningiserror=strict,
        keep_going=True,
        quiet=not verbose,
    )
    return result == 0


def page_toc(build: Path, page: str) -> Path:
    """Write a table of contents with one chapter and the pages that every chapter refers to."""
    build.mkdir(parents=True, exist_ok=True)
    companions = ["book/notation", "book/glossary", "book/errata", "book/bibliography"]
    pages = dict.fromkeys([page, *companions])
    pages.pop("book/index", None)  # the root: always there
    toc = build / "_toc.yml"
    lines = [f"  - file: {p}" for p in pages]
    toc.write_text("\n".join(["format: jb-book", "root: book/index", "chapters:", *lines, ""]))
    return toc


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="example: python book/build.py --only book/markov/smoothing",
    )
    parser.add_argument("--only", metavar="PAGE", help="try one page, in a folder of its own")
    parser.add_argument("--fresh", action="store_true", help="run every page again")
    parser.add_argument("--serve", action="store_true", help="show it, rebuild when a page changes")
    parser.add_argument("--verbose", action="store_true", help="show all that Sphinx says")
    return parser.parse_args(arguments)


def chosen(only: str | None) -> tuple[Path, Path]:
    """Folder and table of contents of this build."""
    if not only:
        return BUILD, ROOT / "_toc.yml"
    page = only.removesuffix(".md")
    if not (ROOT / f"{page}.md").is_file():
        raise BuildError(f"there is no page {page}.md below the repository's root")
    build = BUILD / f"try-{page.rsplit('/', 1)[-1]}"
    return build, page_toc(build, page)


def build_book(options: argparse.Namespace) -> Path:
    """Build and return the first page; raises `BuildError` when a page or reference is wrong."""
    build, toc = chosen(options.only)
    with alone(build):
        if options.fresh:
            shutil.rmtree(build / ".jupyter_cache", ignore_errors=True)
            shutil.rmtree(build / ".doctrees", ignore_errors=True)
        dropped = forget_if_changed(ROOT, build)
        if dropped:
            print(f"inputs changed: pages run again ({', '.join(dropped)} emptied)", flush=True)
        copy_mathjax(BUILD / "extra/mathjax")
        keep_out_of_home(BUILD)
        if not sphinx_build(build, toc, strict=not options.only, verbose=options.verbose):
            raise BuildError("the book has errors: they stand above (warnings count)")
        (build / "html/index.html").write_text(REDIRECT)
    return build / "html/book/index.html"


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 when built, 1 when the book has an error."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    good = build_and_tell(options)
    if not options.serve:
        return 0 if good else 1
    with serve(chosen(options.only)[0] / "html"), contextlib.suppress(KeyboardInterrupt):
        watch(lambda: build_and_tell(options))
    return 0


def build_and_tell(options: argparse.Namespace) -> bool:
    """Build; print where the book is, or what is wrong with it."""
    start = time.perf_counter()
    try:
        first = build_book(options)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    print(f"built in {time.perf_counter() - start:.0f} s: open {first.relative_to(ROOT)}")
    return True


@contextlib.contextmanager
def serve(folder: Path, port: int = 8000) -> Iterator[str]:
    """Serve a folder on this machine only; yields the address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:  # taken: any free one will do
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with server:
        address = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"the book is at {address} (Ctrl+C ends it)", flush=True)
        yield address
        server.shutdown()


def watch(rebuild: Callable[[], object], *, seconds: float = 1.0) -> None:
    """Call ``rebuild`` whenever a source of the book changed, for ever."""
    seen = digest(ROOT, WATCHED)
    while True:
        time.sleep(seconds)
        now = digest(ROOT, WATCHED)
        if now != seen:
            seen = now
            rebuild()


if __name__ == "__main__":
    sys.exit(main())
