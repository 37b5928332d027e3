# Everything a developer runs. `make help` says what there is; CONTRIBUTING.md says when.

SHELL = /bin/sh
VENV = .venv
BIN = $(VENV)/bin
TESTS =
ARGS =
KILLS = 200

# How many processes run the tests. They wait more than they compute, so four are right for two cores. A few tests that
# somebody names run in one, with -x, -s and --pdb as ever.
WORKERS = $(if $(TESTS),0,4)

# Newest first. Set PYTHON to use another one: make PYTHON=/opt/python/bin/python3 run
PYTHON =
CANDIDATES = $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3)

# Of the interpreter that a shim, a link or a package manager gives, only running it tells what it can do.
FIND_PYTHON = \
	old=; bare=; found=; \
	for python in $(CANDIDATES); do \
		"$$python" -c '' 2>/dev/null || continue; \
		if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then old=$$python; \
		elif ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then bare=$$python; \
		else found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		echo "$$bare cannot make virtual environments: install its venv package (Debian, Ubuntu: sudo apt install python3-venv), or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; \
	elif [ -z "$$found" ] && [ -n "$$old" ]; then \
		echo "$$old is Python $$("$$old" -c 'import platform; print(platform.python_version())'), and xopc needs 3.11 or newer: install one from your package manager or python.org, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	elif [ -z "$$found" ]; then \
		echo "None of these is a Python that runs: $(CANDIDATES). Install Python 3.11 or newer from your package manager or python.org, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi

# Byte-compiled whatever PYTHONDONTWRITEBYTECODE says: without it the gateway takes four times as long to start.
# Some packages ship files that are not meant to compile, so the failures of theirs are not ours.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
COMPILE = $(BIN)/python -m compileall -q
COMPILE_ALL = $(COMPILE) xopc supervisor && { $(COMPILE)q $(VENV)/lib >/dev/null 2>&1 || true; }

.PHONY: help onboard run dev test check bench fuzz chaos chaos-systemd chaos-docs crash constraints clean

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf 'make %-14s %s\n' "$$name" "$$what"; done

onboard: $(VENV)/.installed ## set xopc up, step by step, until it answers; options as ARGS="--port 18800"
	@$(COMPILE) xopc supervisor && exec $(BIN)/xopc onboard $(ARGS)

run: $(VENV)/.installed ## start the gateway in the foreground; flags as ARGS="--port 18800"
	@$(COMPILE) xopc supervisor && exec $(BIN)/xopc gateway $(ARGS)

dev: $(VENV)/.installed ## the same beside yours, with the profile dev, and replaced when a source changes; ARGS="--reset"
	@$(COMPILE) xopc supervisor && exec $(BIN)/xopc --dev gateway --watch $(ARGS)

test: $(VENV)/.installed-dev ## run the tests side by side; some of them as TESTS="tests/config -k port"; WORKERS=0 for one by one
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(TESTS)

check: $(VENV)/.installed-dev ## lint, format, types, import rule, and the checks on the repository itself
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/pytest tests/checks -q

bench: $(VENV)/.installed-dev ## measure, and print JSON; the short way as ARGS=--quick, one figure as ARGS="--quick scale"
	$(BIN)/python -m tests.benchmarks.run $(ARGS)

fuzz: $(VENV)/.installed-dev ## ask every operation of the API for long, at random; ARGS="2000" for 2000 times each
	@$(COMPILE) xopc supervisor && XOPC_FUZZ=$(or $(ARGS),500) exec $(BIN)/pytest tests/e2e/test_openapi.py -s

chaos: $(VENV)/.installed-dev ## disturb a gateway in every way, and write what clients saw to docs; ARGS="--quick --seed 7"
	@$(COMPILE) xopc supervisor && exec $(BIN)/python -m tests.e2e.chaos $(ARGS)

chaos-systemd: $(VENV)/.installed-dev ## the same under a real `systemd --user`; as root on Linux
	@$(COMPILE) xopc supervisor && XOPC_CHAOS=long exec $(BIN)/pytest tests/e2e/under_systemd.py

chaos-docs: $(VENV)/.installed-dev ## write docs/reference/lifecycle.md anew, from the figures of the last `make chaos`
	@$(BIN)/python -m tests.e2e.chaos --render

crash: $(VENV)/.installed-dev ## kill a gateway under load, at random and at every step of a message; KILLS=200 ARGS="--seed 7"
	@$(COMPILE) xopc supervisor && exec $(BIN)/python -m tests.e2e.crash --kills $(KILLS) $(ARGS)

constraints: ## write constraints.txt anew, from the newest versions that pyproject.toml allows
	@$(FIND_PYTHON); set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	"$$found" -m venv "$$fresh"; \
	"$$fresh/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	"$$fresh/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable >"$$fresh/constraints.txt"; \
	LC_ALL=C sort -f "$$fresh/constraints.txt" >constraints.txt

clean: ## remove the environment and everything that is made from the sources
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find xopc supervisor tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(FIND_PYTHON); echo "Making $(VENV) with $$("$$found" --version)"; "$$found" -m venv --clear $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing xopc"
	@$(INSTALL) . && $(COMPILE_ALL)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing xopc and its development tools"
	@$(INSTALL) '.[dev]' && $(COMPILE_ALL)
	@touch $@ $(VENV)/.installed
