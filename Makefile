# make demo, make test, make quality: each sets up what it needs. `make -B demo` and `make -B test` run again although
# nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell git ls-files -co --exclude-standard -- modeling_dlfa examples tests 2>/dev/null || find modeling_dlfa examples tests -type f)
ENVIRONMENT := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1

.PHONY: demo test quality format clean

demo: .work/demo-passed
	@$(BIN)/python examples/demo.py --show

test: .work/tests-passed
	@echo "The tests pass; make -B test runs them again."

quality: .work/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .work/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .work $(VENV)

.work/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python >= 3.10 is needed; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@mkdir -p .work && touch $@

.work/demo-passed: .work/installed $(SOURCES)
	$(ENVIRONMENT) $(BIN)/python examples/demo.py
	@touch $@

.work/tests-passed: .work/installed $(SOURCES)
	$(ENVIRONMENT) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2
	@touch $@
