# What a user types. What is needed installs itself, into .venv and .venv-tools, and the lab into its cache.
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready
TOOLS := .venv-tools/.ready

# Each start of Python, of which there are some thousand, would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: python ruff mypy imports help demo demo-down test bench reference unit lint cfy-lint wagon bundle lab-down clean

help:
	@echo 'make demo        a real cluster, and a router in it that TOSCA made   (root; 7 to 10 minutes the first time)'
	@echo 'make demo-down   takes all of it back'
	@echo 'make test        every test, on the real thing                        (root; 22 to 25 minutes, with JOBS=1 about 40)'
	@echo 'make unit        the plugin's parts, each by itself                   (half a minute)'
	@echo 'make lint        ruff, mypy, import-linter, cfy-lint                  (half a minute)'
	@echo 'make bench       what changes cost, beside what they cost in 2017          (root; about 25 minutes)'
	@echo 'make bundle      what is uploaded to a manager: wagon, types, blueprints  (Python 3.11)'

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo 'Python 3.10 or later is needed; name it: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python lacks venv: apt-get install python3-venv' >&2; exit 1; }

# pip would compile with one processor, and all that there is: what hardly anybody imports is compiled by who does.
# Some packages bring files that do not compile. Each source would be built with tools of its own: setuptools makes
# wheels by itself from 70.1 on, and from 80.9 on pkg_resources, which Cloudify needs, warns in a way that ends tests.
$(READY): setup.py plugin.yaml | python
	@echo 'Installing what the project needs into .venv'
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --no-compile 'pip>=25' 'setuptools>=70.1,<80.9'
	@PYTHONWARNINGS='ignore:Editable installation.' .venv/bin/pip install --quiet --no-compile --no-build-isolation --editable '.[lab,dev]'
	@$(PY) -m compileall -q -j 0 -x '/(kubernetes_asyncio|kubernetes/client|pip|mypyc?|pygments|setuptools|aiohttp|nacl)/' .venv/lib >/dev/null || true
	@touch $@

$(TOOLS): packing/tools.txt | python
	@$(PYTHON) -m venv .venv-tools
	@.venv-tools/bin/pip install --quiet --no-compile --requirement packing/tools.txt
	@touch $@

demo: $(READY)
	@$(PY) -m demo up

demo-down:
	@if [ -x $(PY) ]; then $(PY) -m demo down; else echo 'Nothing to undo: make demo has not run here.'; fi

# Both environments are installed at once; of the parts mypy takes longest.
lint:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target mypy ruff imports cfy-lint

ruff: $(READY)
	.venv/bin/ruff check --no-cache .
	.venv/bin/ruff format --no-cache --check .

mypy: $(READY)
	.venv/bin/mypy --num-workers=2

imports: $(READY)
	.venv/bin/lint-imports

cfy-lint: $(READY) $(TOOLS)
	$(PY) -m packing.lint

reference: $(READY)
	@$(PY) -m packing.reference

wagon: $(READY)
	@$(PY) -m packing.wagon

bundle: wagon
	@$(PY) -m packing.bundle

# The lab's tests in two labs, beside all others, which give way to them; with less than 4 jobs there is one lab,
# and JOBS=1 runs one test after the other.
JOBS ?= 4
TOGETHER := $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadgroup --no-loadscope-reorder)

unit: $(READY)
	$(PY) -m pytest $(if $(TOGETHER),-n 2) tests/unit

# A demo that is still installed holds the nodes that the tests need, so it is taken back first.
test: $(READY) lint
ifdef QUAGGA_KUBECONFIG
	@$(PY) -m demo ask
	@$(PY) -m demo down --keep-lab
	$(PY) -m pytest
else
	@$(PY) -m demo down --keep-lab
	@$(PY) -m lab hold -- $(PY) -m pytest $(TOGETHER)
endif

bench: $(READY)
	@$(PY) -m lab hold -- $(PY) -m tests.bench

# The second one is there after tests that were cut off.
lab-down:
	@$(PY) -m lab down
	@QUAGGA_LAB=second $(PY) -m lab down

# What .demo remembers of a cluster of one's own is the only way to take a demo back from there.
clean:
	@if [ -e .demo/own/cluster.json ]; then echo 'A demo stands on a cluster of your own; QUAGGA_KUBECONFIG=... make demo-down takes it back first.' >&2; exit 1; fi
	@env -u QUAGGA_KUBECONFIG $(MAKE) --no-print-directory demo-down
	rm -rf .venv .venv-tools .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
