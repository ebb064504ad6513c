#!/usr/bin/env bash
# Makes docs/pictures: samples and branch tree of the run runs/demo (`make demo`), and the layers of docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/.."

"${TEMPFLOW:-.build/release/tempflow}" report runs/demo --pictures docs/pictures
python3 Tools/architecture_picture.py
