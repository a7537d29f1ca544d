"""Long-tailed CIFAR-10 on a GPU: how fast `diffusion` draws, and what its images are worth to a ResNet-32.

Needs torch, diffusers and albumentations, but neither Ray nor Prefect. The network is timed against diffusers' own DDIM
pipeline in float32: a network of the same shape, the same batch, as many looks at each image. Then a ResNet-32 (He et
al. 2015, arXiv:1512.03385) learns for the same steps from the real rows, and from those filled up to the largest class
by `augment` and by `diffusion`; candidates are checked as a build does by default. `--tiny` runs it all on a CPU.
"""

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional

from generators.image.augment import Augment
from generators.image.augmentation import Jitter, jitter
from generators.image.classifier import fit_classifier
from generators.image.codec import decode
from generators.image.diffusion import _PRESETS, Diffusion
from generators.image.rows import list_encoded, stack_images
from schemas.arrow import IMAGE
from schemas.plan import SampleRequest

DATA = Path(__file__).parents[2].parent / "shared/data/cifar10-lt"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CHUNK = 256
SIZE_TINY = {"widths": [8, 16], "layers": 1, "steps": 4, "look_every": 2, "batch_rows": 8, "sample_steps": 2}


def read_folder(folder, most):
    """Return the table of a folder of class folders, of at most `most` images a class."""
    files = [file for kind in sorted(folder.iterdir()) for file in sorted(kind.iterdir())[:most]]
    cells = [{"bytes": file.read_bytes(), "path": None} for file in files]
    return pa.table({"image": pa.array(cells, IMAGE), "label": [file.parent.name for file in files]})


def arrays(table):
    """Return the images (rows, height, width, channels) and the number of each one's class."""
    return stack_images(table, "resnet32"), np.unique(table["label"].to_pylist(), return_inverse=True)[1]


class Heard:
    """Prints how a training goes."""

    def report(self, progress):
        if progress.held_out is not None:
            print(f"  step {progress.step}: {progress.loss:.4f}, held out {progress.held_out:.4f}", flush=True)

    def restore(self):
        return None

    def keep(self, state):
        pass


def fitted(table, params):
    """Return a diffusion model, trained on the table and loaded onto the device."""
    generator = Diffusion(Diffusion.Params(**params))
    start = time.perf_counter()
    generator.train(table, "label", 0, Heard())
    print(f"diffusion: fitted in {time.perf_counter() - start:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        generator.save(Path(folder))
        generator.load(Path(folder), DEVICE)
    return generator


def seconds_of(draw):
    """Return the seconds of the second of two runs."""
    for _ in range(2):
        start = time.perf_counter()
        draw()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds


def compare_speed(generator, rows):
    """Print the images a second of our sampling, of the plain pipeline, and their ratio."""
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    params = generator.params
    steps = params.sample_steps or _PRESETS[generator._preset].sample_steps
    looks = (2 * steps - 1) * (1 if params.guidance == 1 else 2)
    side = generator._size[0]
    config = {**generator._model.unet.config, "num_class_embeds": None, "sample_size": side}
    config.pop("_use_default_values", None)  # or what is set here is taken for left out
    plain = DDIMPipeline(UNet2DModel.from_config(config).to(DEVICE).eval(), DDIMScheduler())
    plain.set_progress_bar_config(disable=True)
    request = SampleRequest(stratum=generator._classes[0], chunk=0, rows=rows, seed=1)
    ours = rows / seconds_of(lambda: generator.sample(request))
    theirs = rows / seconds_of(lambda: plain(batch_size=rows, num_inference_steps=looks, output_type="np"))
    print(f"{looks} looks an image, {rows} at once: {ours:,.1f} images/s with PNGs, plain {theirs:,.1f}, ", end="")
    print(f"ratio {ours / theirs:.1f}", flush=True)


def filled(generator, table, most_chunks):
    """Return the table's arrays with every class filled up to the largest by what the generator makes."""
    images, numbers = arrays(table)
    classifier = fit_classifier(images, numbers)
    counts = np.bincount(numbers)
    parts, kinds = [images], [numbers]
    for number, (name, count) in enumerate(zip(sorted(set(table["label"].to_pylist())), counts, strict=True)):
        found, chunk = 0, 0
        while found < counts.max() - count and chunk < most_chunks:
            request = SampleRequest(stratum=name, chunk=chunk, rows=CHUNK, seed=number * 10_000 + chunk)
            made = np.stack([decode(data) for data in list_encoded(generator.sample(request)["image"])])
            made = made[classifier.probabilities(made)[:, number] >= 0.1][: counts.max() - count - found]
            parts.append(made)
            kinds.append(np.full(len(made), number))
            found, chunk = found + len(made), chunk + 1
        print(f"  {name}: {count} real, {found} made of {chunk * CHUNK}", flush=True)
    return np.concatenate(parts), np.concatenate(kinds)


class Block(nn.Module):
    """Two convolutions beside a shortcut; where the size halves, the shortcut takes every second pixel."""

    def __init__(self, width, out):
        super().__init__()
        self.stride = 1 if width == out else 2
        self.first = nn.Conv2d(width, out, 3, self.stride, 1, bias=False)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(out), nn.BatchNorm2d(out)])

    def forward(self, images):
        made = self.norms[1](self.second(functional.relu(self.norms[0](self.first(images)))))
        short = images[:, :, :: self.stride, :: self.stride]
        return functional.relu(made + functional.pad(short, (0, 0, 0, 0, 0, made.shape[1] - short.shape[1])))


def resnet32(classes):
    """Return the network of 32 layers for images of 32x32."""
    widths = [16] * 6 + [32] * 5 + [64] * 5
    blocks = [Block(width, out) for width, out in pairwise(widths)]
    first = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def on_device(images):
    """Return images as float32 of -1 to 1, channels first, on the device."""
    return torch.from_numpy(images).to(DEVICE).permute(0, 3, 1, 2).float() / 127.5 - 1


def accuracy(train, test, steps, batch_rows):
    """Return the accuracy on `test` of a ResNet-32 that learns from `train` for `steps` steps."""
    torch.manual_seed(0)
    net = resnet32(10).to(DEVICE, memory_format=torch.channels_last)
    images, numbers = on_device(train[0]), torch.from_numpy(train[1]).to(DEVICE)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, steps, pct_start=0.1)
    half = torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda")
    for _ in range(steps):
        batch = torch.randint(len(numbers), (batch_rows,), device=DEVICE)
        with half:
            scores = net(jitter(images[batch], Jitter(shift=0.125, flip=True)))
            loss = functional.cross_entropy(scores, numbers[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad(), half:
        guessed = torch.cat([net(some).argmax(1) for some in on_device(test[0]).split(1000)])
    return (guessed.cpu().numpy() == test[1]).mean()


def main() -> None:
    """Print the speeds and the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a few steps of everything")
    parser.add_argument("--fit-steps", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=15_000, help="of the ResNet-32")
    args = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"needs the long-tailed CIFAR-10 at {DATA}")
    print(torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU", torch.__version__)
    most = 12 if args.tiny else None
    train, test = read_folder(DATA / "train", most), arrays(read_folder(DATA / "test", most))
    train = train.slice(0, train.num_rows - 8) if args.tiny else train  # no long tail is left in so few
    steps, batch_rows, chunks = (3, 16, 1) if args.tiny else (args.steps, 256, 200)
    params = SIZE_TINY if args.tiny else {"steps": args.fit_steps, "batch_rows": 256, "flip": True}
    diffusion = fitted(train, params)
    compare_speed(diffusion, 8 if args.tiny else CHUNK)
    augment = Augment(Augment.Params())
    augment.fit(train, "label", 0)
    print(f"raw: accuracy {accuracy(arrays(train), test, steps, batch_rows):.3f}", flush=True)
    for name, generator in (("augment", augment), ("diffusion", diffusion)):
        score = accuracy(filled(generator, train, chunks), test, steps, batch_rows)
        print(f"{name}: accuracy {score:.3f}", flush=True)


if __name__ == "__main__":
    main()
