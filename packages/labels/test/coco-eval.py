"""What pycocotools' evaluator says: `coco-eval.py FOLDER` reads instances.json and results.json of it, prints JSON."""
import json
import os
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

folder = sys.argv[1]
real, sys.stdout = sys.stdout, sys.stderr  # it prints as it pleases
truth = COCO(os.path.join(folder, "instances.json"))
predicted = truth.loadRes(os.path.join(folder, "results.json"))
found = {}
for kind in ["segm", "bbox"]:
    evaluation = COCOeval(truth, predicted, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    found[kind] = evaluation.stats.tolist()
json.dump(found, real)
