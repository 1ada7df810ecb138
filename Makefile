# make train: set up and do the main job. make test: set up and pass the tests. Everything else is for development.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
MINUTES ?= 10

KATEX := $(VENV)/katex.stamp

.PHONY: train test lint katex fuzz mutants bench agreement clean

$(VENV)/run.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml $(VENV)/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/torch.stamp: pyproject.toml $(VENV)/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,torch]'
	touch $@

# What reads the formulas' LaTeX in the tests: KaTeX, by npm, into a folder of its own.
$(VENV)/katex.stamp: $(VENV)/run.stamp
	npm install --silent --no-fund --no-audit --prefix $(VENV)/katex katex@0.16.22
	touch $@

katex: $(KATEX)

train: $(VENV)/run.stamp
	$(BIN)/chainrule train fashion-mnist --model lenet5 $(ARGS)

test: lint $(KATEX)
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

# Mistakes planted in a copy, one at a time: does a test notice each? ARGS="--only NAME …", --quick or --check. Takes half an hour.
mutants: $(VENV)/dev.stamp
	$(BIN)/python -m tests.mutants.run $(ARGS)

# Formulas nobody wrote, new ones each time: make fuzz MINUTES=10. Ends with 1 if anything failed.
fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m tests.fuzz $(MINUTES) $(ARGS)

# Comparisons with PyTorch and ONNX's node tests (development extras, never dependencies).
agreement: $(VENV)/torch.stamp
	$(BIN)/pytest tests/torch tests/nodes -s $(ARGS)
	$(BIN)/python benchmarks/accuracy.py

bench: $(VENV)/torch.stamp
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
