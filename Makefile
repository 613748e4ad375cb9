# Every target sets up what it needs: a virtual environment of its own in .venv, and nothing outside the checkout but
# system packages, and those only when the user may install them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test bench chaos chaos-sharing lint format docs schema kit-extension clean
.DEFAULT_GOAL := demo

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("twind needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing twind and what it needs into $(VENV) (about a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.installed-dev: $(STAMP)
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Show robots moving in a live stage, on embedded defaults: no cloud, no broker
	@$(BIN)/twind demo $(ARGS)

test: $(VENV)/.installed-dev  ## Run the tests; what needs a program that cannot be had is skipped with a plain sentence
	@.ci/system-packages mosquitto chromium
	@PYTHON=$(BIN)/python .ci/usd-core 25.11 .venv-usd-25.11 || true
	@PYTHON=$(BIN)/python .ci/iot-device .venv-iot-device || true
	@.ci/azurite .azurite || true
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.installed-dev  ## Print the benchmark table and write it to benchmarks/results/latest.json
	@.ci/system-packages mosquitto
	@$(BIN)/python benchmarks/run.py $(ARGS)

chaos: $(VENV)/.installed-dev  ## Kill a daemon fifty times under load, over MQTT and over Event Hubs, with other faults between, and judge what is left
	@.ci/system-packages mosquitto
	@$(BIN)/python -m tests.chaos.run --over mqtt $(ARGS)
	@$(BIN)/python -m tests.chaos.run --over eventhubs $(ARGS)

chaos-sharing: $(VENV)/.installed-dev  ## Let three daemons share a hub while they are killed, frozen and stopped
	@.ci/azurite .azurite
	@$(BIN)/python -m tests.chaos.sharing $(ARGS)

lint: $(VENV)/.installed-dev  ## Check format, lint, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev  ## Write the reference pages that are generated from the code
	@$(BIN)/twind config reference > docs/reference/configuration.md
	@$(BIN)/python -m twind.telemetry.reference > docs/reference/metrics.md
	@$(BIN)/python -m twind.runtime.incidents > docs/reference/incidents.md
	@$(BIN)/python -m twind.runtime.incidents --schema > docs/reference/events.schema.json
	@$(BIN)/python -m twind.stage.lint.reference > docs/reference/lint.md

schema: $(VENV)/.installed-dev  ## Generate the codeless USD schema from stages/schema/schema.usda
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check jinja2
	@$(BIN)/python -m pxr.Usd.usdGenSchema stages/schema/schema.usda stages/schema

kit-extension:  ## Pack the Omniverse extension as Kit's extension manager takes it: dist/omni.twind.live-VERSION.zip
	@$(PYTHON) adapters/omni.twind.live/package.py dist

clean:  ## Remove everything that was built or installed here
	rm -rf $(VENV) .venv-usd-25.11 .venv-iot-device .azurite build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
