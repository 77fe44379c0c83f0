# SPDX-License-Identifier: GPL-3.0-or-later
# Everything starts here; each target makes what it needs first.
#   make demo   one example picture to a .glb, a .blend and a preview under out/
#   make test   lint, then all tests        make lint   format, lint and type check
#   make test-gui       a real Blender window driven by mouse and keyboard (root; makes Blender's folder)
#   make test-versions  the tests in Blender with other versions of it (VERSIONS="4.2 5.0")
#   make screenshots  the window's pictures in the README and the manual (root)
#   make zip    the extension under dist/    make bench  figures into benchmarks/results/
#   make clean  remove everything made here but .venv
# Variables: PYTHON, DEVICE (cpu, cuda, rocm, mps), TORCH_INDEX, see packaging/make_venv.py; JOBS;
#   PROPS, a folder of CC0 props with its reader, for the quality benchmark.

PY := .venv/bin/python
JOBS ?= 2
LAYERS := tests/unit tests/parity tests/worker tests/blender

.PHONY: venv demo test test-gui test-versions lint zip screenshots bench examples docs clean

venv:
	@python3 packaging/make_venv.py

demo: venv
	$(PY) examples/demo.py

# One file stays in one process: tests in real Blender then never see another file's Blender.
test: lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -p no:cacheprovider -n $(JOBS) --dist loadfile $(LAYERS)

# Without root or network there is no window to test in: said, and no failure.
test-gui: venv
	@tests/gui/setup_blender.sh || [ $$? = 77 ]
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -rs -p no:cacheprovider tests/gui

test-versions: venv
	JOBS=$(JOBS) $(PY) tests/versions.py $(VERSIONS)

lint: venv
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m pyright

zip: venv
	$(PY) packaging/build_zip.py

bench: venv
	$(PY) -m benchmarks.field_decode
	$(PY) -m benchmarks.generate_time
	$(PY) -m benchmarks.blender_blocking --real examples/barrel.png
	$(PY) -m benchmarks.unwrap $(if $(PROPS),--props $(PROPS))
	$(if $(PROPS),$(PY) -m benchmarks.camera_fit --props $(PROPS) --stride 6)
	$(if $(PROPS),$(PY) -m benchmarks.cutout_quality --props $(PROPS))
	$(if $(PROPS),$(PY) -m benchmarks.shape_quality --props $(PROPS))
	$(if $(PROPS),$(PY) -m benchmarks.confidence --props $(PROPS) --jobs $(JOBS) --resolution 64)
	$(PY) -m benchmarks.write_figures

examples: venv
	$(PY) examples/make_examples.py

docs: venv
	$(PY) docs/make_settings.py
	$(PY) docs/make_pictures.py

# In a real window, as root; the pictures are committed.
screenshots: venv
	tests/gui/setup_blender.sh
	$(PY) -m docs.make_screenshots

clean:
	rm -rf out dist .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
