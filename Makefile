# voicebot: the commands a person needs.  Every step of set-up is skipped when it is done.

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check clean distclean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## packages, environments, models, the demo's talk track, keys and prompts
	@setup/run.sh demo

demo: setup ## sets up, then runs the demo campaign: about 20 calls over real SIP on this machine
	@.venv/bin/voicebot run configs/campaigns/demo.yaml

test: ## sets up, then runs every check and test
	@setup/run.sh test
	@setup/tests.sh

soak: ## the long runs: 20,000 dials a store while processes and databases die; two machines, one cut off
	@setup/run.sh test
	@setup/soak.sh

check: ## style, types and direction of imports (seconds)
	@setup/core.sh dev
	@setup/tests.sh checks

clean: ## removes what runs and checks left behind; keeps environments, models, tracks and prompts
	rm -rf var/demo var/runs var/setup/*.log .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path '*/.venv/*' -prune -exec rm -rf {} +

distclean: clean ## removes everything that set-up made
	rm -rf var .venv .uv dialogs/rasa/.venv *.egg-info
