#!/usr/bin/env bash
# Makes docs/pictures: samples and branch trees of the runs runs/demo (`make demo`) and runs/demo-edit (`make demo-edit`), and
# the layers of docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/.."

"${TEMPFLOW:-.build/release/tempflow}" report runs/demo --pictures docs/pictures
"${TEMPFLOW:-.build/release/tempflow}" report runs/demo-edit --pictures docs/pictures/edit
python3 Tools/architecture_picture.py
