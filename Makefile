# Everything a developer does here, one word each. `make` alone lists it.
#   ARGS=…     is handed on:        make run ARGS="--data-dir /tmp/mm"   make test ARGS="-k signing -x"
#   PYTHON=…   another interpreter: make test PYTHON=python3.12
#   JOBS=…     how many tests run at once (they mostly wait): make test JOBS=0 for one after the other
PYTHON ?= python3
ARGS ?=
JOBS ?= 4
VENV := .venv
BUILD_VENV := .venv-build
PY := $(VENV)/bin/python

# A stamp per interpreter, so that changing PYTHON or a lock remakes the environment and nothing else does.
stamp := $(subst /,_,$(PYTHON))
RUN_READY := $(VENV)/.run-$(stamp)
TEST_READY := $(VENV)/.test-$(stamp)
TLS_READY := $(VENV)/.tls-$(stamp)
BUILD_READY := $(BUILD_VENV)/.build-$(stamp)

.PHONY: help run tls test check lint types ci bench soak scale pages wear neighbours build smoke test-frozen arm64 man deb release crash power year long test-service test-systemd test-takeover test-install docs screenshots lock clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## start mmconnect from this checkout (no test packages)
	$(VENV)/bin/mmconnect serve $(ARGS)

tls: $(TLS_READY) ## add what `mmconnect tls create-ca` needs to the environment of `make run`

test: $(TEST_READY) ## every test that pip can bring what it needs
	@rm -f $(VENV)/.status
	$(PY) -m pytest -n $(JOBS) --dist worksteal -m "not apt and not long" $(ARGS) || \
		{ status=$$?; echo $$status > $(VENV)/.status; exit $$status; }

check: lint test ## what a change has to pass: style, types, tests

lint: $(TEST_READY) types ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(TEST_READY) ## mypy --strict alone
	$(PY) -m mypy --strict

ci: ## test, lint, then the tests that need openssl, PHP, Ruby, Go and Node (apt)
	@rm -rf .pytest_cache $(VENV)/.status
	@$(MAKE) --no-print-directory test || sh scripts/again.sh $(PY) "$$(cat $(VENV)/.status 2>/dev/null || echo 2)"
	@$(MAKE) --no-print-directory lint
	@sh scripts/ci-apt.sh $(PY)

bench: $(TEST_READY) ## the benchmarks (bench/README.md)
	@test -f bench/run.sh || { echo "bench/run.sh is not in this checkout"; exit 1; }
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh bench/run.sh $(ARGS)

soak: $(TEST_READY) ## half an hour of endpoints that fail at random: nothing lost, nothing grows
	$(PY) -m bench.soak

scale: $(TEST_READY) ## a million messages of history beside none (4 GB of disk, 35 minutes)
	$(PY) -m bench.scale

pages: $(TEST_READY) ## every page on a million messages, and a trickle beside somebody who clicks (6 GB of disk, 25 minutes)
	$(PY) -m bench.pages

wear: $(TEST_READY) ## what one text costs the disk (root, for an ext4 image of its own)
	$(PY) -m bench.wear

neighbours: $(TEST_READY) ## what three good receivers notice of seventeen bad ones
	$(PY) -m bench.neighbours

build: $(BUILD_READY) ## dist/mmconnect (one file) and dist/mmconnect-onedir/mmconnect (one directory)
	@for tool in objcopy strip; do command -v $$tool >/dev/null || \
		{ echo "make build needs $$tool: sudo apt-get install binutils"; exit 1; }; done
	PYTHONHASHSEED=1 PYI_LOG_LEVEL=WARN PYINSTALLER_CONFIG_DIR=$(CURDIR)/build/cache \
		$(BUILD_VENV)/bin/python -m PyInstaller --noconfirm --clean \
		--distpath dist --workpath build build.spec
	@ls -l dist/mmconnect && du -sh dist/mmconnect-onedir

smoke: ## one text through both forms of `make build`, with its signatures checked
	$(PYTHON) -m scripts.smoke dist/mmconnect
	$(PYTHON) -m scripts.smoke dist/mmconnect-onedir/mmconnect

test-frozen: $(BUILD_READY) $(TEST_READY) ## both forms of `make build` through every test that starts a program (half an hour)
	@sh scripts/test_frozen.sh $(PY) $(CURDIR)/$(BUILD_VENV)/bin/python $(ARGS)

arm64: $(BUILD_READY) ## dist/arm64: the same for arm64 on a machine that is none, and tried (root; docs/building.md)
	@PYTHON=$(CURDIR)/$(BUILD_VENV)/bin/python sh scripts/debian_build.sh arm64 $(ARGS)

man: $(BUILD_READY) ## build/mmconnect.1, the manual page
	@$(BUILD_VENV)/bin/python -m pip install -q -r requirements/man.txt
	@mkdir -p build
	$(BUILD_VENV)/bin/python -m scripts.man_page > build/mmconnect.1

deb: build man ## dist/mmconnect_VERSION_ARCH.deb, for the machine that it is made on
	@sh scripts/deb.sh $(BUILD_VENV)/bin/python

release: $(BUILD_READY) $(TEST_READY) ## dist/release-VERSION, for amd64 and arm64: all but putting it anywhere (root; docs/building.md)
	@sh scripts/release.sh $(CURDIR)/$(BUILD_VENV)/bin/python $(CURDIR)/$(PY)

crash: $(TEST_READY) ## 200 rounds of kill -9 in mid-work: nothing lost, nothing twice in the store
	CRASH_ROUNDS=200 $(PY) -m pytest -m long --timeout 3600 tests/e2e/test_crash.py $(ARGS)

power: $(TEST_READY) ## the plug is pulled at 400 moments of a busy run, and of upgrade, backup, restore (root, strace)
	POWER_INSTANTS=400 POWER_TEXTS=1500 POWER_STARTS=12 $(PY) -m pytest -rP tests/e2e/test_power.py \
		tests/e2e/test_power_replayed.py tests/e2e/test_power_commands.py $(ARGS)

year: $(TEST_READY) ## a year in fast motion: outages, restarts, moves, renewals, backups (root; 15 to 45 minutes)
	$(PY) -m bench.year

long: $(TEST_READY) ## the proofs that take minutes: outages, slow receivers, a long history
	$(PY) -m pytest -m long --ignore tests/e2e/test_crash.py $(ARGS)

test-service: ## `mmconnect service` under a systemd that runs, in a container (root; after make build; 3 minutes)
	@sh scripts/test_service.sh $(ARGS)

test-systemd: deb ## the package from installation to purge under a systemd that runs (root; 8 minutes)
	@sh scripts/test_systemd.sh $(BUILD_VENV)/bin/python $(ARGS)

test-takeover: deb ## from `mmconnect service install` to the package and back, under the same (root; 5 minutes)
	@sh scripts/test_takeover.sh $(BUILD_VENV)/bin/python $(ARGS)

test-install: deb ## docs/install.md and the README's five minutes typed word for word under a systemd (root; 3 minutes)
	@sh scripts/test_install.sh "$$(ls -t dist/mmconnect_*_$$(dpkg --print-architecture).deb | head -n 1)" dist/mmconnect $(ARGS)

docs: $(TEST_READY) ## docs/phones and recipes, made from what the program says of them
	$(PY) -m scripts.phone_pages
	$(PY) -m scripts.recipes

screenshots: $(TEST_READY) ## the pictures in docs/screenshots (needs Chromium and playwright)
	$(PY) -m scripts.screenshots $(ARGS)

lock: ## rewrite requirements/*.txt from pyproject.toml (ARGS=--upgrade for newer versions)
	sh scripts/lock.sh $(PYTHON) $(ARGS)

clean: ## remove environments, builds and caches; data directories stay
	rm -rf $(VENV) $(BUILD_VENV) .venv-lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An existing stamp that is too old means that the lock changed: start afresh, so no dropped package lingers.
$(RUN_READY): pyproject.toml requirements/runtime.txt scripts/venv.sh
	@if [ -e $@ ]; then rm -rf $(VENV); fi
	@sh scripts/venv.sh $(VENV) "$(PYTHON)" requirements/runtime.txt --package
	@touch $@

$(TLS_READY): $(RUN_READY) requirements/tls.txt
	@sh scripts/venv.sh $(VENV) "$(PYTHON)" requirements/tls.txt
	@touch $@

$(TEST_READY): pyproject.toml requirements/test.txt scripts/venv.sh
	@if [ -e $@ ]; then rm -rf $(VENV); fi
	@sh scripts/venv.sh $(VENV) "$(PYTHON)" requirements/test.txt --package
	@touch $(RUN_READY) $(TLS_READY) $@

$(BUILD_READY): requirements/build.txt scripts/venv.sh
	@[ "$$(getconf LONG_BIT)" != 32 ] || { echo "There is no build for 32-bit systems: install the 64-bit system," \
		"or run the source with make run (docs/building.md)."; exit 1; }
	@rm -rf $(BUILD_VENV)
	@sh scripts/venv.sh $(BUILD_VENV) "$(PYTHON)" requirements/build.txt
	@touch $@
