# Two commands do everything: `make demo` and `make test`. Both set up first; that is quick when nothing changed.
.PHONY: setup demo test lint bundle bench clean
BIN := .venv/bin

setup:
	@python3 .ci/setup.py

demo: setup
	@$(BIN)/cortexcore demo --out demo-out

test: setup
	$(BIN)/python -m pytest

# mypy reads the installed wheel, so that it sees what a user gets; the wheel's own model must load and run.
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --target build/site build/wheel/*.whl
	cd build/site && ../../$(BIN)/python -m mypy --config-file ../../pyproject.toml -p cortexcore
	cd build/site && ../../$(BIN)/python -c "from cortexcore.cli import main; main()" profile \
		cortexcore/models/ecg_beat/bundle --target integer > ../profile.txt

# Makes the shipped bundle again from the shipped checkpoint; needs the recordings that calibrate and judge it.
bundle: setup
	$(BIN)/cortexcore export cortexcore/models/ecg_beat/model.safetensors \
		--output cortexcore/models/ecg_beat/bundle --target onnx

bench: setup
	@for script in tests/bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf build demo-out *.egg-info .venv .venv-lava
