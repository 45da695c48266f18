# make setup   the virtual environment .venv, with everything for the demo, the tests and the benches
# make demo    separates the bundled song and prints the report and how near the stems are to the real ones
# make test    ruff, mypy, pytest
# make mpich   the tests under mpirun once more, with MPICH in place of Open MPI: same stems, same refusals
# make bench   every bench/*.py; writes bench/RESULTS.md
#
# Each does the set-up that it needs, once. Another Python: make PYTHON=/path/to/python3.12 setup

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
DEMO := demo/song.flac --out demo/out --overwrite --truth demo/stems
NEEDS := pyproject.toml constraints.txt setup/mpi_defaults.sh

.PHONY: help setup demo test mpich bench
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup: .venv/dev.stamp

demo: .venv/run.stamp
	$(BIN)/python run_rt.py --file $(DEMO)

test: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

mpich: .venv/mpich.stamp
	.venv/mpich/bin/python -m pytest tests/test_mpi.py -k "not (ctrl_c or signal or outlive or sleep)"

bench: .venv/bench.stamp
	$(BIN)/python bench/run_all.py

# A stamp is made by the last line of its recipe: a set-up that was stopped half-way starts again.
.venv/run.stamp: $(NEEDS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rtsep needs Python 3.11 or newer, '$(PYTHON)' is not: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Setting up .venv (once; a minute or two) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation -e .
	@setup/mpi_defaults.sh .venv
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@echo "Adding the tools for tests and benches ..."
	@# torch without CUDA is a tenth of the size; where its index cannot be reached, pip finds another.
	@$(PIP) --retries 0 --no-deps torch --extra-index-url https://download.pytorch.org/whl/cpu
	@$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

# An environment of its own for MPICH and mpi4py, which takes the first MPI beside it; all else is that of .venv.
.venv/mpich.stamp: .venv/dev.stamp
	@echo "Adding MPICH, in .venv/mpich ..."
	@$(BIN)/python -m venv .venv/mpich
	@.venv/mpich/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt mpi4py mpich
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir({!r})".format(sysconfig.get_path("purelib")))' \
	  > "$$(.venv/mpich/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rtsep.pth"
	@touch $@

# nsgt comes as source that needs NumPy to be there: it is, and pip may use it without isolation.
.venv/bench.stamp: .venv/dev.stamp
	@echo "Adding the packages that the benches compare with ..."
	@$(PIP) --no-build-isolation -e '.[dev,bench]' && touch $@ || \
	  echo "Not all of them can be had: what is missing is left out of the tables" >&2
