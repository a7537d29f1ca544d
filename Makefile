# Every target makes its virtual environment from the lock file first; PYTHON, VENV and WORKERS may be given.
PYTHON ?= python3
WORKERS ?= 3
FUZZ_SECONDS ?= 60
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: demo test check lint types bench bench-utility soak fuzz lock clean

demo: $(INSTALLED)  ## build a balanced dataset from a real imbalanced table
	$(BIN)/python -m flows.demo

test: $(INSTALLED)  ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint types test  ## what CI runs

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

bench: $(INSTALLED)  ## print the ratios of tests/benchmarks/README.md, measured here
	$(BIN)/python -m tests.benchmarks

bench-utility: $(INSTALLED)  ## print what made rows of a table are worth beside cheaper remedies
	$(BIN)/python -m tests.benchmarks.table_utility

# MAKEWEIGHT_KILLS is how many builds are killed at a random moment; each costs a minute or less.
soak: $(INSTALLED)  ## the long tests: every storage operation fails, builds killed and paused, services that go away
	MAKEWEIGHT_KILLS=$${MAKEWEIGHT_KILLS:-200} $(BIN)/python -m pytest -m slow --timeout 3600 -s
	MAKEWEIGHT_FAULTS=all $(BIN)/python -m pytest tests/faults/test_storage_faults.py -m "slow or not slow" --timeout 14400
	MAKEWEIGHT_FAULTS=all $(BIN)/python -m pytest tests/faults/test_damage.py tests/faults/test_fenced.py --timeout 14400
	MAKEWEIGHT_EXAMPLES=$${MAKEWEIGHT_EXAMPLES:-10000} $(BIN)/python -m pytest tests/hostile --timeout 14400

fuzz: $(INSTALLED)  ## fuzz each reader and the spec for FUZZ_SECONDS
	$(BIN)/python -m pip install --quiet "atheris>=3,<4"
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# torch's own wheel pins its CUDA packages exactly, and its CPU build has none: so they are left out of the lock.
NO_EMIT = cuda-bindings cuda-pathfinder cuda-toolkit triton nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
	nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

lock:  ## write requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-annotate --quiet \
		--custom-compile-command "make lock" $(NO_EMIT:%=--no-emit-package %) --output-file requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) demo
