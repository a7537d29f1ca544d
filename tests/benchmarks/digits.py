"""What synthetic images are worth: balanced accuracy on real held-out digits, 5 seeds, against cheaper remedies.

scikit-learn's digits (8x8, grey). 40% held out; the rest cut to a long tail, 100 rows of the digit 0 down to 5 of the
digit 9. Each remedy but the first two fills every class up to 100. A small convolutional network, trained on the CPU,
says how good each dataset is.

Generators have the parameters that a user gets, but for mirroring, which no digit bears. They are fitted and sampled
here, and their candidates checked as a build does by default: exact copies are left out, and images that a classifier
of the real rows finds less likely to be of their class than chance has it. `--build` goes through a real build instead.
"""

import sys
import tempfile
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from generators.image.augment import Augment
from generators.image.classifier import fit_classifier
from generators.image.codec import Encoding, decode, encode
from generators.image.diffusion import Diffusion
from generators.image.gan import GAN
from generators.image.rows import list_encoded
from generators.image.vae import VAE
from schemas.arrow import IMAGE
from schemas.plan import SampleRequest

SEEDS = range(5)
LARGEST, SMALLEST = 100, 5
STEPS = 600  # of training, whatever the dataset
BATCH = 64
CHUNK = 64  # candidates of one request
SIDE = 16  # of images as the classifier sees them
GENERATORS = {
    "augment": lambda: Augment(Augment.Params(flip=False)),
    "vae": lambda: VAE(VAE.Params()),
    "gan": lambda: GAN(GAN.Params()),
    "diffusion": lambda: Diffusion(Diffusion.Params()),
}


def split(seed):
    """Return training and held-out images (uint8, 8x8) with their digits; the training part has a long tail."""
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    train, held = train_test_split(np.arange(len(images)), test_size=0.4, stratify=digits.target, random_state=seed)
    rng = np.random.default_rng(seed)
    sizes = np.round(np.geomspace(LARGEST, SMALLEST, 10)).astype(int)
    kept = np.concatenate(
        [rng.choice(train[digits.target[train] == digit], size, replace=False) for digit, size in enumerate(sizes)]
    )
    return (images[kept], digits.target[kept]), (images[held], digits.target[held])


def make_net():
    """Return two convolutions and two layers on top."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def pixels(images):
    """Return images as the network takes them."""
    return torch.from_numpy(images[:, None].astype(np.float32) / 255)


def accuracy(train, held, seed, weighted=False):
    """Return the balanced accuracy on `held` of a network that learns from `train`."""
    torch.manual_seed(seed)
    net = make_net()
    images, digits = pixels(train[0]), torch.from_numpy(train[1])
    weights = len(digits) / 10 / torch.bincount(digits, minlength=10) if weighted else None
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for batch in batches(len(digits)):
        loss = functional.cross_entropy(net(images[batch]), digits[batch], weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        guessed = net(pixels(held[0])).argmax(1).numpy()
    return balanced_accuracy_score(held[1], guessed)


def batches(rows):
    """Yield the rows of each step: all rows in a new order, again and again."""
    orders = (order for _ in range(STEPS) for order in torch.randperm(rows).split(BATCH) if len(order) == BATCH)
    yield from islice(orders, STEPS)


def filled(train, make):
    """Return the training part with every class filled up to 100 by what `make` makes of (digit, rows)."""
    images, digits = [train[0]], [train[1]]
    for digit, rows in enumerate(np.bincount(train[1])):
        if rows < LARGEST:
            images.append(np.stack(make(digit, LARGEST - rows)))
            digits.append(np.full(LARGEST - rows, digit))
    return np.concatenate(images), np.concatenate(digits)


def resampled(train, seed):
    """Return a maker of copies of real images."""
    rng = np.random.default_rng(seed)
    return lambda digit, rows: list(train[0][rng.choice(np.flatnonzero(train[1] == digit), rows)])


def moved(train, seed):
    """Return a maker of real images turned by 15 degrees, zoomed by 15% and shifted by a pixel at most."""
    rng, copies = np.random.default_rng(seed), resampled(train, seed)

    def move(image):
        matrix = cv2.getRotationMatrix2D((3.5, 3.5), rng.uniform(-15, 15), rng.uniform(0.85, 1.15))
        matrix[:, 2] += rng.uniform(-1, 1, 2)
        return cv2.warpAffine(image, matrix, (8, 8))

    return lambda digit, rows: [move(image) for image in copies(digit, rows)]


def enlarged(images):
    """Return images as the classifier sees them."""
    return np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)[..., None] for image in images])


def generated(name, train, seed):
    """Return a maker of images by a generator that is fitted on `train`, and the seconds that the fit took."""
    cells = [{"bytes": encode(image[..., None], Encoding()), "path": None} for image in train[0]]
    table = pa.table({"image": pa.array(cells, IMAGE), "label": [str(digit) for digit in train[1]]})
    generator = GENERATORS[name]()
    start = time.perf_counter()
    generator.fit(table, "label", seed)
    seconds = time.perf_counter() - start
    classifier = fit_classifier(enlarged(train[0]), train[1], flip=False)
    seen = {image.tobytes() for image in train[0]}

    def make(digit, rows):
        found, chunk = [], 0
        while len(found) < rows:
            request = SampleRequest(stratum=str(digit), chunk=chunk, rows=CHUNK, seed=seed * 1000 + digit * 50 + chunk)
            images = np.stack([decode(data)[..., 0] for data in list_encoded(generator.sample(request)["image"])])
            likely = classifier.probabilities(enlarged(images))[:, digit] >= 0.1
            found += [image for image in images[likely] if image.tobytes() not in seen]
            seen.update(image.tobytes() for image in images)
            chunk += 1
        return found[:rows]

    return make, seconds


def remedies(train, held, seed, names):
    """Yield each remedy's name, balanced accuracy and seconds of fitting."""
    yield "raw", accuracy(train, held, seed), 0.0
    yield "class weights", accuracy(train, held, seed, weighted=True), 0.0
    yield "over-sampling", accuracy(filled(train, resampled(train, seed)), held, seed), 0.0
    yield "affine", accuracy(filled(train, moved(train, seed)), held, seed), 0.0
    for name in names:
        make, seconds = generated(name, train, seed)
        yield name, accuracy(filled(train, make), held, seed), seconds


def write_folders(train, folder):
    """Write a folder of images for each digit."""
    for number, (image, digit) in enumerate(zip(*train, strict=True)):
        (folder / str(digit)).mkdir(exist_ok=True)
        (folder / str(digit) / f"{number:04}.png").write_bytes(encode(image[..., None], Encoding()))


def built(names):
    """Build seed 0's digits with each generator, and print the counts, the seconds and the accuracy."""
    import pyarrow.dataset as ds

    from schemas.spec import Spec, parse
    from tests.benchmarks.common import timed_build

    train, held = split(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "digits").mkdir()
        write_folders(train, folder / "digits")
        for name in names:
            choice = {"name": name, "actors": 1, "params": {"flip": False}}
            source = {"path": str(folder / "digits"), "label": "label"}
            output = {"path": str(folder / name)}
            spec = {"name": "digits", "source": source, "generator": choice, "output": output}
            manifest, watch = timed_build(parse(Spec, spec))
            counts = {label: count.real + count.synthetic for label, count in manifest.counts.items()}
            assert set(counts.values()) == {LARGEST}
            rows = ds.dataset(folder / name / "data").to_table()
            images = np.stack([decode(data)[..., 0] for data in list_encoded(rows["image"])])
            score = accuracy((images, np.array([int(label) for label in rows["label"].to_pylist()])), held, 0)
            print(f"{name}: {counts}, fit {watch.seconds('fit', 'fill'):.0f} s, accuracy {score:.3f}", flush=True)


def main(names, seeds=SEEDS) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    scores, fits = defaultdict(list), defaultdict(list)
    for seed in seeds:
        for name, score, seconds in remedies(*split(seed), seed, names):
            scores[name].append(score)
            fits[name].append(seconds)
            print(f"seed {seed}: {name:14} {score:.3f}  (fit {seconds:.0f} s)", file=sys.stderr, flush=True)
    print("| remedy | balanced accuracy, mean | deviation | fit, s |\n| --- | --- | --- | --- |")
    for name, found in scores.items():
        print(f"| {name} | {np.mean(found):.3f} | {np.std(found):.3f} | {np.mean(fits[name]):.0f} |")


if __name__ == "__main__":
    chosen = [name for name in sys.argv[1:] if name != "--build"] or list(GENERATORS)
    built(chosen) if "--build" in sys.argv else main(chosen)
