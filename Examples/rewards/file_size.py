"""A minimal reward: the size of an image's PNG file, in units of 100 kB.

    python3 ../../Tools/reward_server.py file_size:score --port 8000
    tempflow score --reward http --set 'urls=["http://127.0.0.1:8000"]' --images DIR --prompts FILE
"""


def score(samples):
    return [len(sample["png"]) / 100_000 for sample in samples]
