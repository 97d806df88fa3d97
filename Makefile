# One course, two commands: `make course` builds everything, `make test` checks everything.
# Everything is created inside this folder; nothing of yours is touched.

PYTHON ?= python3
PY     := .venv/bin/python
LAB    ?= lab02
CLASS  := _build/sample-class

# Tools keep their settings and caches here, not in the user's home.
export PYTHONNOUSERSITE  := 1
export XDG_CACHE_HOME    := $(CURDIR)/_build/cache
export MPLCONFIGDIR      := $(CURDIR)/_build/cache/matplotlib
export IPYTHONDIR        := $(CURDIR)/_build/jupyter/ipython
export JUPYTER_CONFIG_DIR  := $(CURDIR)/_build/jupyter/config
export JUPYTER_DATA_DIR    := $(CURDIR)/_build/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/_build/jupyter/runtime
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help course test book serve labs grade validate samples lab formgrader bench ladder clean

help:  ## Say what there is
	@echo "make course      set up, release the labs, grade the sample class, build the book"
	@echo "make test        set up, then everything that CI checks (NO_BROWSER=1 leaves the browser out)"
	@echo
	@echo "make book        build the book into _build/html"
	@echo "make serve       build it, show it on localhost, and rebuild when a page changes"
	@echo "make labs        regenerate labs/ from solutions/"
	@echo "make grade       grade submitted/ for one lab: make grade LAB=lab02"
	@echo "make validate    prove a lab's hidden suite: make validate LAB=lab02"
	@echo "make lab         open the labs in JupyterLab, as a student sees them"
	@echo "make formgrader  open the sample class in nbgrader's formgrader"
	@echo "make bench       measure ours against the peers"
	@echo "make ladder      measure all language models on the book's held-out text"
	@echo "make clean       remove what was built (not .venv, not submissions, not the gradebook)"

# --- set-up -----------------------------------------------------------------------------------

.venv/.installed: requirements.txt requirements-files.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This needs Python 3.11 or later; '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1). Try: make PYTHON=python3.11"; exit 3; }
	@echo "Setting up .venv (PyTorch and JupyterLab: some minutes the first time) …"
	@test -x $(PY) || "$(PYTHON)" -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-files.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.peers: .venv/.installed requirements-peers.txt
	@echo "Installing the peers that only the benchmarks need (KenLM is compiled: this needs a C++ compiler) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-peers.txt
	@touch $@

# --- the two commands -------------------------------------------------------------------------

course: labs book samples  ## Everything, end to end
	@echo
	@echo "The book:          _build/html/index.html"
	@echo "The labs:          labs/                        (make lab opens them)"
	@echo "Feedback pages:    $(CLASS)/feedback/"
	@echo "The class report:  $(CLASS)/report.html"
	@echo "The gradebook:     $(CLASS)/gradebook.db   (make formgrader opens it)"

test: .venv/.installed
	@$(PY) tests/check.py

# --- the parts --------------------------------------------------------------------------------

book: .venv/.installed
	@$(PY) book/build.py

serve: .venv/.installed
	@$(PY) book/build.py --serve

labs: .venv/.installed
	@$(PY) -m autograder release --all

samples: labs  # grade the sample class; that some of it cannot be graded (exit 1) is part of it
	@$(PY) -m autograder samples $(LAB) --course $(CLASS)
	@$(PY) -m autograder grade $(LAB) --submissions $(CLASS)/submitted --json $(CLASS)/report.json || [ $$? -eq 1 ]
	@$(PY) -m autograder feedback $(LAB) --course $(CLASS) || [ $$? -eq 1 ]
	@$(PY) -m autograder report $(LAB) --course $(CLASS)

grade: .venv/.installed
	@$(PY) -m autograder grade $(LAB)

validate: .venv/.installed
	@$(PY) -m autograder validate $(LAB)

lab: labs
	@$(PY) -m jupyterlab --ServerApp.root_dir=labs --LabApp.news_url=None --LabApp.extension_manager=readonly

formgrader: .venv/.installed
	@$(PY) -m autograder formgrader --course $(CLASS)

bench: .venv/.peers
	@$(PY) benchmarks/package.py --save
	@$(PY) benchmarks/grading.py --save

ladder: .venv/.installed
	@$(PY) benchmarks/ladder.py

clean:
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .hypothesis
