# `make demo` and `make test` need nothing but Python 3.11 (3.12, 3.13) and make.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
FOLDERS := components experiments models pipeline schemas serving
UV_VERSION := 0.13.8
# The uv on the path, else one of our own under .cache.
UV := $(shell command -v uv || echo .cache/uv/bin/uv)

.PHONY: bench check clean demo format install lint lock test test-slow types

demo: install
	$(BIN)/clickwright run --out out/demo \
	    --config configs/marketplace_logistic_regression.yaml \
	    --config configs/marketplace_deepfm.yaml
	$(BIN)/clickwright demo-traffic --out out/demo \
	    --config configs/marketplace_deepfm.yaml

# A file a process: its tests share what they set up. A process needs some 2 GB.
test: install
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: lint types
	$(BIN)/pytest -m "not slow and not e2e"

test-slow: install
	$(BIN)/pytest -m slow

bench: install
	$(BIN)/python benchmarks/simulate.py
	$(BIN)/python benchmarks/ingest.py --rows 1000000
	$(BIN)/python benchmarks/evaluate.py --rows 1000000
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/discretize.py
	$(BIN)/python benchmarks/numeric_layers.py
	$(BIN)/python benchmarks/numeric.py --docs docs/benchmarks

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# mypy does not see through setuptools' import hook, so it gets links to follow.
types: install
	mkdir -p .cache/types/clickwright
	for f in $(FOLDERS); do ln -sfn ../../../$$f .cache/types/clickwright/$$f; done
	$(BIN)/mypy -p clickwright
	$(BIN)/mypy tests

install: $(VENV)/.installed

$(VENV)/.installed: requirements_lock.txt pyproject.toml third_party/tfx_bsl_sql_util | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements_lock.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --group bridge --editable .
	touch $@

.cache/uv/bin/uv:
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/pip install --quiet uv==$(UV_VERSION)

# Names, versions and hashes only; uv.lock would name the registry. The image has the
# same versions without the development tools; its GPU variant takes a second file.
COMPILE := $(UV) pip compile --quiet pyproject.toml --generate-hashes \
    --no-emit-index-url --custom-compile-command "make lock"
IMAGE_COMPILE := $(COMPILE) --no-annotate --extra gcs --extra s3 \
    --python-version 3.13 --python-platform x86_64-manylinux_2_39

lock: | $(UV)
	$(COMPILE) --group dev --universal --python-version 3.11 \
	    --output-file requirements_lock.txt
	$(IMAGE_COMPILE) --constraint requirements_lock.txt \
	    --output-file docker/requirements.txt
	$(IMAGE_COMPILE) --extra gpu --constraint docker/requirements.txt \
	    $$(sed -nE 's/^([a-z0-9.-]+)==.*/--no-emit-package \1/p' docker/requirements.txt) \
	    --output-file docker/requirements_gpu.txt

clean:
	rm -rf .cache .venv out .mypy_cache .pytest_cache .ruff_cache *.egg-info
