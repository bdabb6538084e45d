# make report    set up and run the default benchmark; make preview is a sketch of it in a minute
# make test      set up with the test tools and run the tests
# make test-all  the tests, and the invariants of every architecture with every likelihood, channels and shape
# make env-slurm set up with Snakemake's plugin for SLURM; make test-slurm tries it on a throw-away SLURM (root on Debian)
# make test-browser tries the report and MLflow's pages in a headless Chromium (Debian's; root installs it)
# make test-server tries an MLflow server for a group: PostgreSQL (Debian's; root installs it), users, a kill
# make test-hostile tries make preview in odd folders, locales and environments
# make mutants   plants faults in the code and shows those that the tests do not notice (a quarter of an hour)
# make ui        opens the runs in MLflow; make check runs the linters
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
CONFIG ?= config.yaml
PORT ?= 5000
# A package index that has CPU-only builds of torch and torchvision; empty takes the usual ones.
TORCH_INDEX ?=
FOLDER := from pixelcnn.config.reading import load_benchmark; from pixelcnn.results.folder import folder_of

# Snakemake keeps a cache in the home folder, which not every user has.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export XDG_CACHE_HOME ?= $(CURDIR)/.cache
endif

.PHONY: report preview test test-all env-slurm test-slurm test-browser test-server test-hostile mutants check format ui clean-env

report: $(BIN)/.installed
	@$(BIN)/snakemake --profile none report --cores $(CORES) --configfile '$(CONFIG)'
	@$(BIN)/python -c "$(FOLDER); print('The report is', folder_of(load_benchmark('$(CONFIG)')).report.page.resolve())"

preview:
	@$(MAKE) --no-print-directory report CONFIG=configs/preview.yaml

test: $(BIN)/.installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile

test-all: $(BIN)/.installed-test
	$(BIN)/python -m pytest -n auto --dist load --all

env-slurm: $(BIN)/.installed-slurm

test-slurm: $(BIN)/.installed-test $(BIN)/.installed-slurm
	$(BIN)/python tests/slurm/cluster.py fit
	$(BIN)/python -m pytest tests/slurm

test-browser: $(BIN)/.installed-browser
	$(BIN)/python tests/browser/chromium.py install
	$(BIN)/python -m pytest tests/browser

test-server: $(BIN)/.installed-server
	$(BIN)/python tests/server/lab.py install
	$(BIN)/python -m pytest tests/server

test-hostile: $(BIN)/.installed
	tests/hostile/preview.sh

mutants: $(BIN)/.installed-mutants
	$(BIN)/python -m benchmarks.mutants

check: $(BIN)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow

format: $(BIN)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

ui: $(BIN)/.installed
	@$(BIN)/python -m pixelcnn ui "$$($(BIN)/python -c "$(FOLDER); print(folder_of(load_benchmark('$(CONFIG)')).path)")" --port $(PORT)

$(BIN)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; choose one with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(BIN)/.installed: requirements.lock pyproject.toml | $(BIN)/.created
ifneq ($(TORCH_INDEX),)
	$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) $$(grep -E '^torch(vision)?==' requirements.lock)
endif
	@echo "Installing the pinned packages into $(VENV) (some minutes, once) ..."
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(BIN)/.installed-test: requirements-test.lock $(BIN)/.installed
	$(BIN)/python -m pip install --quiet -r requirements-test.lock
	@touch $@

$(BIN)/.installed-slurm: requirements-slurm.lock $(BIN)/.installed
	$(BIN)/python -m pip install --quiet -r requirements-slurm.lock
	@touch $@

$(BIN)/.installed-browser: requirements-browser.lock $(BIN)/.installed-test
	$(BIN)/python -m pip install --quiet -r requirements-browser.lock
	@touch $@

$(BIN)/.installed-server: requirements-server.lock $(BIN)/.installed-test
	$(BIN)/python -m pip install --quiet -r requirements-server.lock
	@touch $@

$(BIN)/.installed-mutants: requirements-mutants.lock $(BIN)/.installed-test
	$(BIN)/python -m pip install --quiet -r requirements-mutants.lock
	@touch $@

clean-env:
	rm -rf $(VENV)
