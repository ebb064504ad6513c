# make demo      sets up, trains the embedded model, writes runs/demo/report.html
# make demo-edit trains the embedded editing model, writes runs/demo-edit/report.html
# make test      sets up, runs every test, builds the documentation
# make build     sets up, leaves the command at .build/release/tempflow
# make compare   compares methods that are tuned alike; BUDGET=full writes docs/results/compare.md
# make bench     times an iteration beside the same in Python, writes docs/results/speed.md
# make docs      builds the DocC site of the libraries into .build/docs, with warnings as errors
# make pictures  runs both demos, makes docs/pictures

.PHONY: setup build demo demo-edit test compare bench docs pictures clean

TEMPFLOW := .build/release/tempflow
BUDGET := small
METHODS := Tools/laboratory/shapes.json

setup:
	@Tools/setup.sh

build: setup
	swift build -c release --product tempflow

demo: build
	$(TEMPFLOW) train Recipes/shapes.yaml --run-dir runs/demo $(if $(wildcard runs/demo/recipe.yaml),--resume)
	$(TEMPFLOW) report runs/demo

demo-edit: build
	$(TEMPFLOW) train Recipes/shapes-edit.yaml --run-dir runs/demo-edit \
	  $(if $(wildcard runs/demo-edit/recipe.yaml),--resume)
	$(TEMPFLOW) report runs/demo-edit

test: setup
	swift build -c release --build-tests
	Tools/test.sh
	Tools/docs.sh

compare: build
	python3 Tools/laboratory $(METHODS) --budget $(BUDGET)

bench: build
	Benchmarks/setup.sh
	.bench/bin/python Benchmarks/bench.py $(BENCH)

docs: build
	Tools/docs.sh

pictures: demo demo-edit
	Tools/pictures.sh

clean:
	rm -rf .build
