"""Times in PyTorch, with the authors' own modules and random weights, what work.ts times: for `pnpm bench --against python`.

    python3 against.py configs/sam2.1/sam2.1_hiera_t.yaml --threads 2 [--runs 1]

SAM 2 comes from Meta's package sam2, EdgeTAM from its repository's package of the same name, which has SAM 2's configs too
and is taken first where PYTHONPATH names that repository; EfficientTAM from efficient_track_anything.

With --everything N --checkpoint SAFETENSORS --image PATH it times Meta's SAM2AutomaticMaskGenerator with N points on a side
instead, under each of report.ts's thresholds, once, after a warm run with 4.

The last line that it prints is {"torch": version, "peak": GFLOP/s, "milliseconds": {name: median of warm runs}},
or {"skipped": why} where torch or that package is missing. What a run reads lies ready when it begins.
"""

import argparse
import json
import statistics
import sys
import time

MEMORIES = 7
POINTERS = 16

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--runs", type=int, default=5, help="at most so many of each")
parser.add_argument("--everything", type=int, help="points on a side")
parser.add_argument("--checkpoint")
parser.add_argument("--image")
options = parser.parse_args()


def finish(result):
    print(json.dumps(result))
    sys.exit()


try:
    import torch
except ImportError as error:
    finish({"skipped": f"{sys.executable} has no torch: {error}"})
try:
    if "efficienttam" in options.config:
        package = "EfficientTAM's package efficient_track_anything"
        from efficient_track_anything.build_efficienttam import build_efficienttam as build
    elif "edgetam" in options.config:
        package = "EdgeTAM's package sam2"
        from sam2.build_sam import build_sam2 as build
        from sam2.modeling.backbones import timm as trunk

        # It would be downloaded, and weights make no difference to the time.
        create = trunk.create_model
        trunk.create_model = lambda name, **rest: create(name, **rest | {"pretrained": False})
    else:
        package = "Meta's package sam2"
        from sam2.build_sam import build_sam2 as build
except ImportError as error:
    finish({"skipped": f"{sys.executable} has torch, but not {package}: {error}"})

torch.set_num_threads(options.threads)
torch.manual_seed(0)
model = build(options.config, None, device="cpu")
size = model.image_size
cells = size // 16
width = model.hidden_dim
memory_width = model.mem_dim
perceiver = getattr(model, "spatial_perceiver", None)


def encode():
    image = torch.randn(1, 3, size, size)
    return lambda: model.forward_image(image)


def clicks(count):
    return torch.rand(count, 1, 2) * size, torch.ones(count, 1, dtype=torch.int32)


def decode(count):
    """Point prompts through one run of the decoder, on one image's features."""
    features = torch.randn(1, width, cells, cells)
    high_res = None
    if model.use_high_res_features_in_sam:
        high_res = [torch.randn(1, width // 8, 4 * cells, 4 * cells), torch.randn(1, width // 4, 2 * cells, 2 * cells)]
    points = clicks(count)

    def run():
        sparse, dense = model.sam_prompt_encoder(points=points, boxes=None, masks=None)
        return model.sam_mask_decoder(
            image_embeddings=features,
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=count > 1,
            high_res_features=high_res,
        )

    return run


def remember():
    """From low-resolution logits, as the mask decoder gives them."""
    features = torch.randn(1, width, cells, cells)
    logits = torch.randn(1, 1, 4 * cells, 4 * cells)

    def run():
        mask = torch.nn.functional.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False)
        mask = torch.sigmoid(mask) * model.sigmoid_scale_for_mem_enc + model.sigmoid_bias_for_mem_enc
        memory = model.memory_encoder(features, mask, skip_mask_sigmoid=True)
        if perceiver is None:
            return memory
        return perceiver(memory["vision_features"], memory["vision_pos_enc"][0])

    return run


def attend():
    current, current_pos = torch.randn(2, cells * cells, 1, width)
    pointer_tokens = POINTERS * width // memory_width
    tokens = cells * cells
    more = {}
    if perceiver is not None:
        tokens = perceiver.num_latents + perceiver.num_latents_2d
        more["num_spatial_mem"] = MEMORIES
    memory, memory_pos = torch.randn(2, MEMORIES * tokens + pointer_tokens, 1, memory_width)
    return lambda: model.memory_attention(
        curr=current,
        curr_pos=current_pos,
        memory=memory,
        memory_pos=memory_pos,
        num_obj_ptr_tokens=pointer_tokens,
        **more,
    )


def track(objects):
    """One more frame of a stream whose memory is full, from the image's tensor to masks at the model's size.

    One object after another, as in Meta's video predictor. What a memory holds makes no difference to the time, so that
    one serves for every frame and object.
    """
    image = torch.randn(1, 3, size, size)
    points, labels = clicks(1)
    remembered = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}

    def step(features, frame):
        _, levels, positions, sizes = model._prepare_backbone_features(features)
        return model.track_step(
            frame_idx=frame,
            is_init_cond_frame=frame == 0,
            current_vision_feats=levels,
            current_vision_pos_embeds=positions,
            feat_sizes=sizes,
            point_inputs={"point_coords": points, "point_labels": labels} if frame == 0 else None,
            mask_inputs=None,
            output_dict=remembered,
            num_frames=1000,
        )

    def run():
        features = model.forward_image(image)
        return [step(features, MEMORIES + 1) for _ in range(objects)]

    features = model.forward_image(image)
    remembered["cond_frame_outputs"][0] = step(features, 0)
    remembered["non_cond_frame_outputs"] = dict.fromkeys(range(1, MEMORIES + 1), step(features, 1))
    return run


def read_safetensors(path):
    data = bytearray(open(path, "rb").read())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        count = (end - start) // 4
        values = torch.frombuffer(data, dtype=torch.float32, count=count, offset=8 + length + start)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def everything(points):
    """Everything in one image, on the weights of the other side."""
    import numpy
    from PIL import Image
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

    image = numpy.array(Image.open(options.image).convert("RGB"))
    model.load_state_dict(read_safetensors(options.checkpoint))
    settings = {"usual": {}, "low": {"pred_iou_thresh": 0.5, "stability_score_thresh": 0.05}}

    def generate(side, thresholds):
        started = time.perf_counter()
        SAM2AutomaticMaskGenerator(model, points_per_side=side, points_per_batch=16, **thresholds).generate(image)
        return 1000 * (time.perf_counter() - started)

    generate(4, settings["low"])
    milliseconds = {name: generate(points, thresholds) for name, thresholds in settings.items()}
    finish({"torch": torch.__version__, "peak": gemm_peak(), "milliseconds": milliseconds})


WORK = [
    ("encode one image", encode, 5),
    ("decode one click", lambda: decode(1), 5),
    ("decode 64 clicks in one run", lambda: decode(64), 5),
    ("encode one memory", remember, 5),
    ("memory attention, 7 memories, 16 pointers", attend, 5),
    ("a video frame, one object", lambda: track(1), 5),
    ("a video frame, eight objects", lambda: track(8), 3),
]


def warm(run, runs):
    """Milliseconds of each run after the first."""
    run()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return times


def gemm_peak():
    """GFLOP/s of the best product of two 2048 x 2048 matrices."""
    a, b = torch.randn(2, 2048, 2048)
    return 2 * 2048**3 / min(warm(lambda: a @ b, 10)) / 1e6


if options.everything is not None:
    with torch.inference_mode():
        print("bench: everything in PyTorch", file=sys.stderr, flush=True)
        everything(options.everything)

milliseconds = {}
with torch.inference_mode():
    for name, prepare, runs in WORK:
        print(f"bench: {name} in PyTorch", file=sys.stderr, flush=True)
        milliseconds[name] = statistics.median(warm(prepare(), min(runs, options.runs)))
    finish({"torch": torch.__version__, "peak": gemm_peak(), "milliseconds": milliseconds})
