"""Mask2Former of mmdetection as the detector of the reward `geneval`.

GenEval's detector requires mmdetection 2, which requires an old torch; a server isolates both. It
needs a GPU, the checkpoint and the list of class names that GenEval's repository links to:

    conda create -n geneval python=3.8 && conda activate geneval
    pip install torch==1.13.1 torchvision==0.14.1 open_clip_torch==2.20.0 openmim
    mim install mmcv-full==1.7.2 && pip install mmdet==2.28.2
    export GENEVAL_CONFIG=.../mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.py
    export GENEVAL_CHECKPOINT=.../mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.pth
    export GENEVAL_CLASSES=.../object_names.txt
    python ../../Tools/reward_server.py geneval_detector:detect --port 8002

    rewards: [{name: geneval, backend: remote, urls: ["http://127.0.0.1:8002"]}]

This file only detects objects; the scoring rules are in the reward. Written for mmdetection 2.28 and
open_clip 2.20; the project's tests do not run it.
"""

import io
import os

import mmcv
import numpy
import open_clip
import torch
from mmdet.apis import inference_detector, init_detector
from PIL import Image

DEVICE = "cuda"
# GenEval's confidence thresholds: 0.9 for the tag `counting`, 0.3 for the others.
COUNTING_THRESHOLD, THRESHOLD = 0.9, 0.3
MAX_OBJECTS = 16
COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]

detector = init_detector(os.environ["GENEVAL_CONFIG"], os.environ["GENEVAL_CHECKPOINT"], device=DEVICE)
with open(os.environ["GENEVAL_CLASSES"]) as file:
    CLASSES = file.read().splitlines()
clip, _, prepare = open_clip.create_model_and_transforms("ViT-L-14", pretrained="openai", device=DEVICE)
tokenize = open_clip.get_tokenizer("ViT-L-14")


def detect(samples):
    return {"detections": [detect_objects(sample) for sample in samples]}


@torch.no_grad()
def detect_objects(sample):
    image = Image.open(io.BytesIO(sample["png"])).convert("RGB")
    metadata = sample["metadata"]
    colored = {item["class"] for item in metadata.get("include", []) if "color" in item}
    threshold = COUNTING_THRESHOLD if metadata.get("tag") == "counting" else THRESHOLD
    boxes, masks = inference_detector(detector, mmcv.rgb2bgr(numpy.array(image)))
    found = []
    for label, rows, shapes in zip(CLASSES, boxes, masks):
        order = numpy.argsort(-rows[:, 4])[:MAX_OBJECTS]
        for index in order[rows[order, 4] > threshold]:
            item = {
                "label": label,
                "confidence": float(rows[index, 4]),
                "box": [float(edge) for edge in rows[index, :4]],
            }
            if label in colored:
                item["color"] = color(image, label, rows[index, :4], shapes[index])
            found.append(item)
    return found


def color(image, label, box, mask):
    """CLIP's best matching color of an object, cut out on gray."""
    gray = Image.new("RGB", image.size, "#999")
    cut = Image.composite(image, gray, Image.fromarray(numpy.uint8(mask) * 255)).crop(tuple(box))
    vision = clip.encode_image(prepare(cut)[None].to(DEVICE))[0]
    forms = ["a photo of a {} " + label, "a photo of a {}-colored " + label, "a photo of a {} object"]
    scores = []
    for name in COLORS:
        text = clip.encode_text(tokenize([form.format(name) for form in forms]).to(DEVICE))
        mean = torch.nn.functional.normalize(text, dim=-1).mean(0)
        scores.append(float(torch.cosine_similarity(vision, mean, dim=0)))
    return COLORS[int(numpy.argmax(scores))]
