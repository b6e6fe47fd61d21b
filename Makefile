# `make demo` and `make test` do all the set-up; both may be run again.

PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRA ?=

.PHONY: help install demo test test-slow test-data test-tpu lint format corpus starter lock
help:
	@echo "make demo       fine-tune the starter model; leaves demo_run/report.html"
	@echo "make test       lint, then the fast tests (about ten minutes)"
	@echo "make test-slow  the tests marked slow"
	@echo "make test-data  the tests of seqio; installs TensorFlow (1.9 GB)"
	@echo "make test-tpu   compiles the paper's size for TPUs; installs libtpu (0.2 GB)"
	@echo "make corpus     render the procedural corpus (needs fluidsynth, a soundfont)"
	@echo "make starter    train every network of the starter model (hours on a CPU)"

install: $(INSTALLED)

$(INSTALLED): requirements.lock setup.cfg pyproject.toml
	@sh launch/prepare_python.sh $(PYTHON)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	$(BIN)/musicrl demo --out demo_run

test: lint
	@sh launch/prepare_tool.sh shellcheck
	$(BIN)/pytest --numprocesses 2 $(EXTRA)

test-slow: install
	$(BIN)/pytest -m slow --numprocesses 2 $(EXTRA)

# The one target that installs TensorFlow; nothing else needs it.
test-data: install
	$(BIN)/python -m pip install --quiet --require-hashes \
		--requirement requirements-data.lock
	$(BIN)/pytest -m seqio $(EXTRA)

# libtpu compiles on machines that have no TPU.
test-tpu: install
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes \
		--requirement requirements-tpu.lock
	$(BIN)/pytest -m tpu $(EXTRA)

lint: install
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

corpus: install
	$(BIN)/musicrl corpus

starter: install
	$(BIN)/musicrl starter

# Pins every package of the demo, the corpus and the tests, for Python 3.11; and those
# of the data extra, which share their versions.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile setup.cfg --extra corpus --extra dev --python-version 3.11 \
		--generate-hashes --no-emit-index-url --upgrade --quiet \
		--custom-compile-command "make lock" --output-file requirements.lock
	$(BIN)/uv pip compile setup.cfg --extra data --python-version 3.11 \
		--constraint requirements.lock --generate-hashes --no-emit-index-url \
		--upgrade --quiet --custom-compile-command "make lock" \
		--output-file requirements-data.lock
	$(BIN)/uv pip compile setup.cfg --extra tpu --python-version 3.11 \
		--constraint requirements.lock --generate-hashes --no-emit-index-url \
		--upgrade --quiet --custom-compile-command "make lock" \
		--output-file requirements-tpu.lock
