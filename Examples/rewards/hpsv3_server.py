"""HPSv3 in an environment of its own, as a reward over HTTP.

The package requires versions of torch and transformers that may conflict with other code; a server
isolates them. It needs a GPU with 20 GB and downloads the weights from Hugging Face:

    python3 -m venv hpsv3 && hpsv3/bin/pip install hpsv3
    hpsv3/bin/python ../../Tools/reward_server.py hpsv3_server:score --port 8001

    rewards: [{name: http, label: hpsv3, urls: ["http://127.0.0.1:8001"], timeout: 300}]

Written for hpsv3 1.0.0 from PyPI; the project's tests do not run it.
"""

import io

from hpsv3 import HPSv3RewardInferencer
from PIL import Image

model = HPSv3RewardInferencer(device="cuda")


def score(samples):
    images = [Image.open(io.BytesIO(sample["png"])).convert("RGB") for sample in samples]
    prompts = [sample["prompt"] for sample in samples]
    # Each row is a mean and the logarithm of a standard deviation; the mean is the score.
    return [row[0].item() for row in model.reward(prompts=prompts, image_paths=images)]
