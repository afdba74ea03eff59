# skymill for people who do not want to know about environments: `make run` and `make test` do all the set-up.
# Nothing needs make: `snakemake --cores N` and `pytest` in an environment of your own do the same.

PYTHON ?= python3
CONFIG ?= config/config.yaml
CORES ?= all
ARGS ?=
PYTEST_ARGS ?=
PYTEST_WORKERS ?= 2

export PYTHON
# Jobs that call a program find the environment's before the machine's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test lint docs setup lock clean

help: ## show this list
	@awk -F ' ## ' '/^[a-z]+:.* ## / { sub(/:.*/, "", $$1); printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  settings: CONFIG=$(CONFIG) CORES=$(CORES) ARGS="-n" PYTHON=$(PYTHON) PYTEST_ARGS="-k tile"'

run: setup ## run the workflow: make run CONFIG=config/sdss.yaml CORES=8 ARGS="more arguments of snakemake"
	snakemake --configfile $(CONFIG) --cores $(CORES) $(ARGS)

test: ## run all tests and list what was not checked: make test PYTEST_ARGS="tests/unit -k tile"
	@./scripts/setup.sh --tests
	python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: setup ## check the style of the code and of the workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

docs: setup ## write the generated pages: columns, configuration keys and their schema
	python -m skymill.cli docs catalogue > docs/catalogue.md
	python -m skymill.cli docs config > config/README.md
	python -m skymill.cli docs schema > workflow/schemas/config.schema.json

setup: ## make .venv with the pinned packages, and install source-extractor where that is possible
	@./scripts/setup.sh

# After `pip install --upgrade …` in .venv and `make test`. torch's local build tag and the CUDA packages of a
# machine with a GPU are left out: which build of torch is right depends on the machine.
lock: ## write requirements.lock and the pins of envs/ from what is installed in .venv
	{ echo '# Everything that skymill runs and is tested with, transitive packages included. Made by `make lock`.'; \
	  python -m pip freeze --all --exclude pip --exclude skymill \
	  | grep -vE '^(nvidia-|cuda-|triton)' | sed -E 's/\+[A-Za-z0-9.]+$$//'; } > requirements.lock
	python scripts/pin_envs.py

clean: ## remove the environment and caches; results are kept
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist src/*.egg-info
	find src tests workflow -name __pycache__ -type d -prune -exec rm -rf {} +
