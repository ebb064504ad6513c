"""The size of an image as a JPEG file, measured on other threads while generation goes on."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image


def jpeg_incompressibility(images):
    """The size at quality 95 in units of 500 kB: uint8 [B, H, W, 3] -> B numbers."""
    sizes = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="JPEG", quality=95)
        sizes.append(file.tell() / 500_000)
    return sizes


class Scorer:
    """Scores batches in the background; Pillow's encoder runs without Python's lock."""

    def __init__(self):
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._batches = []

    def add(self, images):
        """Takes uint8 [B, H, W, 3]; a CUDA device is not waited for."""
        on_host = images.to("cpu", non_blocking=True)
        copied = None
        if images.is_cuda:
            copied = torch.cuda.Event()
            copied.record()
        self._batches.append(self._pool.submit(self._score, on_host, copied))

    @staticmethod
    def _score(images, copied):
        if copied:
            copied.synchronize()
        return jpeg_incompressibility(images.numpy())

    def finish(self):
        """The rewards of all images, in the order they were added."""
        rewards = [reward for batch in self._batches for reward in batch.result()]
        self._batches.clear()
        return np.array(rewards)
