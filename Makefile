# One door: `make demo` and `make test` set up everything they need in .venv, from a bare clone.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Processes that test, each with a gigabyte of memory; 0 is none beside pytest itself (for a debugger). One more than two cores have, as tests wait for processes, locks and clocks.
WORKERS ?= 3

.PHONY: setup demo test screens check format bench bench-online bench-plan faults soak hunt known-answers card-smoke wheel

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	# Without what it asks for, which dev has: it wants an older pillow than the pin.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gradio
	touch $(READY)

demo: $(READY)
	$(BIN)/longtake new examples/mila.png examples/harbour.wav --run runs/demo

# torch's threads wait for each other by spinning; where other work shares the cores that took seven times as long.
test: export OMP_WAIT_POLICY := passive
# A thread for each worker, as there are more workers than cores.
test: export OMP_NUM_THREADS := 1
# Where images of containers set it, each process compiles all of ours anew, and each worker all tests: fifteen seconds.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY)
	$(BIN)/python -m pytest -m 'not slow' --numprocesses $(WORKERS) --dist worksteal $(TESTS)

# The built wheel, in an environment without the development extras.
wheel: $(READY)
	$(BIN)/python tests/wheel.py

# Every screen, help page and error line as it is now; read the diff.
screens: export WRITE_SCREENS := 1
screens: $(READY)
	rm -f tests/pipeline/screens/*.txt
	$(BIN)/python -m pytest -q tests/pipeline/monitor/test_screens.py tests/pipeline/test_lines.py
	git diff --stat -- tests/pipeline/screens

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/house.py --check

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m pipeline.bench.bench

bench-online: $(READY)
	$(BIN)/python -m pipeline.bench.bench_online

# A film with pauses, harmed in every known way, and measured.
known-answers: $(READY)
	mkdir -p runs
	$(BIN)/python -m pipeline.bench.known_speech examples runs/answers.wav
	$(BIN)/longtake new examples/mila.png runs/answers.wav --run runs/answers
	$(BIN)/python -m pipeline.bench.known_answers runs/answers

bench-plan: $(READY)
	$(BIN)/python -m pipeline.bench.bench_plan

# One row: make faults ROW=kill. One part: make soak PART=clips; stopped, the same command goes on.
faults: $(READY)
	$(BIN)/python tests/faults/rows.py $(ROW)

soak: $(READY)
	$(BIN)/python tests/faults/soak.py $(PART)

# A NaN, an outlier and a flipped bit at 100 random places each, looked for by longtake inspect.
hunt: $(READY)
	$(BIN)/python tests/pipeline/inspection/trials.py

# On a machine with a card. One row: make card-smoke ROW=avatar.
card-smoke: $(READY)
	$(BIN)/python tests/card_smoke.py $(ROW)
