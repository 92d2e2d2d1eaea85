"""What other tools read from a folder of labels: masks as COCO's strings, by picture. `interop.py KIND FOLDER` prints JSON."""
import glob
import json
import os
import sys

import numpy as np
from pycocotools import mask as coco_mask

kind, folder = sys.argv[1:]


def counts(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def put(found, path, label, mask):
    name = os.path.splitext(os.path.basename(str(path)))[0]
    found.setdefault(name, []).append(f"{label} {counts(mask)}")


def pycocotools(results=None):
    from pycocotools.coco import COCO

    data = COCO(os.path.join(folder, "instances.json"))
    if results is not None:
        data = data.loadRes(os.path.join(folder, results))
    found = {}
    for annotation in data.dataset["annotations"]:
        image = data.imgs[annotation["image_id"]]["file_name"]
        put(found, image, data.cats[annotation["category_id"]]["name"], data.annToMask(annotation))
    return found


def supervision(data):
    found = {}
    for path, _, detections in data:
        for mask, label in zip(detections.mask if detections.mask is not None else [], detections.class_id):
            put(found, path, data.classes[label], mask)
    return found


def yolo():
    import supervision as sv

    images, labels = os.path.join(folder, "images"), os.path.join(folder, "labels")
    yaml = os.path.join(folder, "data.yaml")
    return supervision(sv.DetectionDataset.from_yolo(images, labels, yaml, force_masks=True))


def labelme():
    import supervision as sv

    return supervision(sv.DetectionDataset.from_labelme(folder, folder, force_masks=True))


def label_studio():
    from label_studio_sdk.converter.brush import decode_rle

    found = {}
    for task in json.load(open(os.path.join(folder, "tasks.json"), encoding="utf8")):
        for annotation in task["annotations"]:
            for result in annotation["result"]:
                size = (result["original_height"], result["original_width"], 4)
                alpha = np.reshape(decode_rle(result["value"]["rle"]), size)[:, :, 3]
                put(found, task["data"]["image"], result["value"]["brushlabels"][0], alpha >= 128)
    return found


def datumaro(name):
    import datumaro as dm

    data = dm.Dataset.import_from(folder, name)
    labels = data.categories().get(dm.AnnotationType.label)
    found = {}
    for item in data:
        for annotation in item.annotations:
            if annotation.type == dm.AnnotationType.mask:
                mask = annotation.image
            elif annotation.type == dm.AnnotationType.polygon:
                height, width = item.media.size
                parts = coco_mask.frPyObjects([list(annotation.points)], height, width)
                mask = coco_mask.decode(coco_mask.merge(parts))
            else:
                continue
            label = "" if annotation.label is None else labels[annotation.label].name
            put(found, item.id + ".png", label, mask)
    return found


readers = {
    "coco": pycocotools,
    "coco-results": lambda: pycocotools("results.json"),
    "yolo": yolo,
    "labelme": labelme,
    "label-studio": label_studio,
    "coco-panoptic": lambda: datumaro("coco_panoptic"),
    "cvat-images": lambda: datumaro("cvat"),
    "voc": lambda: datumaro("voc_instance_segmentation"),
    "mots": lambda: datumaro("mots"),
    "sa1b": lambda: datumaro("segment_anything"),
}
real, sys.stdout = sys.stdout, sys.stderr  # the tools print as they please
found = readers[kind]()
json.dump(found, real)
