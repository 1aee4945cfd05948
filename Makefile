PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYPROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
PROJECTS := $(patsubst %/,%,$(dir $(PYPROJECTS)))
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
# in memory, where there is such a folder: runs wait for the disk whenever they write
PYTEST := $(if $(wildcard /dev/shm/.),PYTEST_DEBUG_TEMPROOT=/dev/shm) $(BIN)/pytest --numprocesses auto --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help setup train setup-tests test fuzz soak check fix bench bench-core bench-arrays bench-ppo bench-dqn bench-sac bench-study bench-wealth bench-quality bench-quality-nightly check-integrations check-alone docs dist clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## create .venv and install the core and every plugin, editable
	@echo "Ready in $(VENV). Next: make train"

train: $(VENV)/.setup ## train the supply-chain example with PPO
	@$(BIN)/phantom train docs/examples/supply_chain.toml

setup-tests: $(VENV)/.setup-tests ## add what the tests and checks need
	@echo "Ready. Next: make test, or make check"

test: $(VENV)/.setup-tests ## run the whole suite: core and every plugin
	@$(PYTEST)

fuzz: $(VENV)/.setup-tests ## damage run files, runs, checkpoints and recordings at random, for minutes
	@$(PYTEST) -m fuzz --fuzz 40 --timeout 1800 tests plugins

check: $(VENV)/.setup-tests ## everything CI checks: format, lint, types, layers, all tests, the site
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(PYTEST)
	@$(MAKE) --no-print-directory docs

fix: $(VENV)/.setup-tests ## format, and mend what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix .

bench: bench-core bench-arrays bench-ppo bench-dqn bench-sac ## measure the speed of everything, beside other libraries (about 11 minutes)

bench-core: $(VENV)/.setup ## measure the speed of env.step, of collection, hooks and plugins list (5 minutes)
	@$(BIN)/python tests/benchmarks/bench_env_step.py
	@$(BIN)/python tests/benchmarks/bench_collect.py
	@$(BIN)/python tests/benchmarks/bench_collection.py
	@$(BIN)/python tests/benchmarks/bench_rounds.py
	@$(BIN)/python tests/benchmarks/bench_qlearning.py
	@$(BIN)/python tests/benchmarks/bench_hooks.py
	@$(BIN)/python tests/benchmarks/bench_plugins_list.py
	@$(BIN)/python tests/benchmarks/bench_recording.py
	@$(BIN)/python tests/benchmarks/bench_compat_step.py

bench-arrays: $(VENV)/.setup ## measure the speed of array worlds, beside NumPy and objects (a minute); PARTS=… for some
	@$(BIN)/python tests/benchmarks/bench_arrays.py $(PARTS)

bench-ppo: $(VENV)/.setup-peers ## measure the speed of ppo beside other libraries, after installing them; PARTS=… for some
	@$(BIN)/python tests/benchmarks/bench_ppo.py $(PARTS)

bench-dqn: $(VENV)/.setup-peers ## measure the speed of dqn beside other libraries, after installing them
	@$(BIN)/python tests/benchmarks/bench_off_policy.py dqn

bench-sac: $(VENV)/.setup-peers ## measure the speed of sac beside other libraries, after installing them
	@$(BIN)/python tests/benchmarks/bench_off_policy.py sac

bench-study: $(VENV)/.setup ## measure the speed of studies, beside a bare loop and Mesa, after installing it (5 minutes)
	@$(PIP) install -r tests/benchmarks/requirements-studies.txt
	@$(BIN)/python tests/benchmarks/bench_study.py

bench-wealth: $(VENV)/.setup ## measure the wealth exchange beside AMBER, Mesa and NumPy, after installing them (8 minutes); ROUNDS=… for fewer
	@$(PIP) install -r tests/benchmarks/requirements-wealth.txt
	@$(BIN)/python tests/benchmarks/bench_wealth.py --rounds $(or $(ROUNDS),7)

bench-quality: $(VENV)/.setup ## train on every task, many seeds (hours), into docs/benchmarks.md; TASKS=… for some
	@$(PIP) install torch==2.13.0
	@$(PIP) install -r tests/benchmarks/quality/requirements.txt
	@$(BIN)/python tests/benchmarks/quality/run_quality.py $(TASKS)

bench-quality-nightly: $(VENV)/.setup ## train sac on LunarLanderContinuous, one seed (hours), into docs/benchmarks.md
	@$(PIP) install -r tests/benchmarks/quality/requirements.txt
	@$(BIN)/python tests/benchmarks/quality/run_quality.py "LunarLanderContinuous-v3, sac"

soak: $(VENV)/.setup-tests ## cut 200 real runs in every way, resume and compare them (about 6 minutes); CUTS=… for some
	@$(BIN)/python tests/soak/soak.py --cuts $(or $(CUTS),200)

check-integrations: $(VENV)/.setup-tests ## compare with other libraries, after installing them
	@$(PIP) install torch==2.13.0
	@$(PIP) install -r tests/requirements-integrations.txt
	@$(BIN)/pytest -m integration tests plugins

check-alone: $(VENV)/.setup-tests ## install each distribution alone and run its tests (minutes); DISTS=… for some
	@$(BIN)/python tests/packaging/check_alone.py $(DISTS)

docs: $(VENV)/.setup ## build the documentation site into site/html, warnings are errors
	@$(PIP) install -r docs/requirements.txt
	@$(BIN)/python docs/site/reference_blocks.py
	@$(BIN)/python docs/site/stage_site.py site/source
	@$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -c docs/site -d site/doctrees site/source site/html
	@echo "Open site/html/index.html"

dist: $(VENV)/.setup-tests ## build and check every distribution, into dist/
	@rm -rf dist
	@for project in $(PROJECTS); do \
		$(BIN)/python -m build -qq --no-isolation --outdir dist $$project || exit 1; \
	done
	@$(BIN)/twine --no-color check --strict dist/*
	@$(BIN)/python tests/packaging/check_dist.py dist

clean: ## remove dist/, site/, .venv-alone/ and every cache; .venv and runs/ stay
	@rm -rf dist site .venv-alone .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "'$(PYTHON)' was not found. Install Python 3.11 or newer, or say which one to use: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit("phantom_core needs Python 3.11 or newer, but $(PYTHON) is %d.%d. Say which one to use: make setup PYTHON=/path/to/python3" % v[:2] if v < (3, 11) else 0)'
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Entry points are read when a distribution is installed, so every pyproject.toml counts.
$(VENV)/.setup: $(PYPROJECTS) | $(VENV)/.created
	@echo "Installing phantom-rl-core and the plugins ..."
	@$(PIP) install "hatchling>=1.27" editables
	@$(PIP) install --no-build-isolation $(addprefix --editable ./,$(PROJECTS))
	@touch $@

$(VENV)/.setup-tests: tests/requirements.txt | $(VENV)/.setup
	@echo "Installing what the tests need ..."
	@$(PIP) install -r tests/requirements.txt
	@touch $@

$(VENV)/.setup-peers: tests/benchmarks/requirements-peers.txt tests/benchmarks/install_pufferlib.py | $(VENV)/.setup
	@echo "Installing what ppo is compared with ..."
	@$(PIP) install torch==2.13.0
	@$(PIP) install -r tests/benchmarks/requirements-peers.txt
	@$(BIN)/python tests/benchmarks/install_pufferlib.py
	@touch $@
