# make demo, make encoder, make test, make test-all, make test-versions, make bench, make quality: each sets up what it
# needs. `make -B demo` and `make -B test` run again although nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell git ls-files -co --exclude-standard -- modeling_dlfa examples tests 2>/dev/null || find modeling_dlfa examples tests -type f)
# What the demo's results depend on.
DEMO_SOURCES := $(shell git ls-files -co --exclude-standard -- modeling_dlfa examples/demo examples/estimate.py 2>/dev/null || find modeling_dlfa examples/demo examples/estimate.py -type f)
ENVIRONMENT := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
# Releases of transformers on which a published checkpoint is tested beside the one of constraints.txt.
# `make test-versions VERSIONS=all` tests one of every minor line and writes docs/versions.md.
VERSIONS := 4.57.6 5.5.4
EVERY := 4.57.6 5.0.0 5.1.0 5.2.0 5.3.0 5.4.0 5.5.4 5.6.2 5.7.0 5.8.1 5.9.0 5.10.4 5.11.0 5.12.1 5.13.1 5.14.1 5.15.1 \
	5.16.1 5.17.0 5.18.0 5.19.0 5.20.2 5.21.1 5.22.2 5.24.0
LINES := $(if $(filter all,$(VERSIONS)),$(EVERY),$(VERSIONS))
OLDER := $(LINES:%=.work/versions/%/bin/python)

.PHONY: demo encoder test test-all test-versions bench quality format clean

# Trains where something changed, otherwise shows the last run.
demo: .work/installed
	@if $(MAKE) --quiet --question runs/demo/results.json; then $(ENVIRONMENT) $(BIN)/python examples/demo/demo.py --show; \
	else $(MAKE) --no-print-directory runs/demo/results.json; fi

# multilingual-e5-small in models/, for the demo and the studies.
encoder: .work/installed
	@$(ENVIRONMENT) $(BIN)/python examples/demo/encoder.py

# Without the tests marked slow: long trainings, several processes, every snippet of README and docs.
test: .work/tests-passed
	@echo "The fast tests pass (make -B test runs them again); make test-all runs every test."

test-all: .work/all-tests-passed
	@echo "All tests pass; make -B test-all runs them again."

# What another line of transformers may be asked: to load, tune and save what this one published, and to pass the
# tests of loading and of security itself. Where every line is asked: more ways of saving, in place of those tests.
CELLS := $(if $(filter all,$(VERSIONS)),tests/test_version_cells.py)
test-versions: .work/installed $(LINES:%=.work/versions/%/installed)
	$(ENVIRONMENT) OMP_NUM_THREADS=1 DLFA_TEST_PYTHONS="$(OLDER)" $(BIN)/python -m pytest -q tests/test_versions.py \
		$(CELLS) --junitxml .work/versions/results.xml; status=$$?; \
	$(if $(filter all,$(VERSIONS)),$(BIN)/python -m tests.versions_table .work/versions/results.xml docs/versions.md;) \
	exit $$status
	set -e; for python in $(filter-out .work/versions/all/bin/python,$(VERSIONS:%=.work/versions/%/bin/python)); do \
		$(ENVIRONMENT) OMP_NUM_THREADS=1 $$python -m pytest -q -n 2 tests/remote tests/security \
			tests/inference/test_optimum.py; \
	done

# Ratios against what one would use in place of this package, on text that is no part of the repository.
# `make bench BENCH=--full` measures for longer, `BENCH=--overwrite` replaces an earlier table.
DATA ?= ../shared/data
BENCH ?=
bench: .work/installed
	$(ENVIRONMENT) $(BIN)/python examples/benchmark.py --train_file '$(DATA)/nli-en/train.tsv' \
		--test_file '$(DATA)/xnli/dev-{language}.tsv' --vocab_file '$(DATA)/mbert-vocab/vocab.txt' \
		--output_dir runs/bench $(BENCH)

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

# The package itself is read from this folder. Transformers 4 wants other releases of much else, and has an environment
# of its own; Optimum's ONNX part knows transformers < 4.58.
.work/versions/4.%/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	grep -vE '^(transformers|tokenizers|huggingface_hub)==' constraints.txt > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c $(@D)/constraints.txt \
		transformers==4.$* accelerate protobuf pytest pytest-xdist PyYAML sentencepiece onnxscript 'optimum-onnx[onnxruntime]'
	@touch $@

# What another release of transformers 5 wants otherwise; all else is read from the environment of `make .work/installed`.
# Without protobuf, 5.5 answers a missing tokenizer by asking for protobuf.
.work/versions/%/installed: pyproject.toml constraints.txt | .work/installed
	$(BIN)/python -m venv --clear --without-pip $(@D)
	grep -vE '^(transformers|tokenizers|huggingface_hub)==' constraints.txt > $(@D)/constraints.txt
	cd $(@D) && $(CURDIR)/$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$(bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth"
	$(BIN)/python -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check -c $(@D)/constraints.txt \
		transformers==$* protobuf sentencepiece
	@touch $@

runs/demo/results.json: .work/installed $(DEMO_SOURCES)
	@$(ENVIRONMENT) $(BIN)/python examples/demo/demo.py

.work/tests-passed: .work/installed $(SOURCES)
	$(ENVIRONMENT) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"
	@touch $@

.work/all-tests-passed: .work/installed $(SOURCES)
	$(ENVIRONMENT) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal
	@touch $@ .work/tests-passed
