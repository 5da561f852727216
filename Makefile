# Every target is one word for tools/tasks.py, which sets up .venv on the first call.
PYTHON ?= python3

.PHONY: run test lab notebooks bench
run test lab notebooks bench:
	@$(PYTHON) tools/tasks.py $@
