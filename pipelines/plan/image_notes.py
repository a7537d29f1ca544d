"""Says in sentences what the images of a source are, and what becomes of them: for the plan and for the report."""

from schemas.plan import ImageProfile

_MODES = {"RGB": "in colour", "L": "grey"}


def image_notes(images: ImageProfile) -> list[str]:
    """Return plain sentences, the first about all images."""
    size = f"{images.size[0]} x {images.size[1]}" if images.size else _extent(images)
    notes = [f"Images are {size} pixels, {_MODES[images.mode]}."]
    others = {mode: number for mode, number in images.modes.items() if mode != images.mode}
    if others:
        listed = ", ".join(f"{number:,} {mode}" for mode, number in others.items())
        notes.append(f"Brought to {images.mode}: {listed}.")
    if images.levels:
        low, high = images.levels
        notes.append(f"Of images of more than 8 bits, {low:,.6g} becomes black and {high:,.6g} white.")
    if images.size:
        resized = sum(number for size_, number in images.sizes.items() if size_ != size)
        notes.append(f"Resized to {size}: {resized:,} or more of the images." if resized else f"All were {size}.")
    if images.turned:
        notes.append(f"Turned upright by their EXIF data: {images.turned:,}.")
    if images.animated:
        notes.append(f"Animated: {images.animated:,}; of these the first frame was taken, or none, as the spec says.")
    if images.unreadable:
        examples = ", ".join(f"{path} ({reason})" for path, reason in images.examples.items())
        told = "such as " * (images.unreadable > len(images.examples))
        notes.append(f"Left out since they cannot be read: {images.unreadable:,}, {told}{examples}.")
    if images.lists:
        listed = ", ".join(f"{name} {number:,}" for name, number in images.lists.items())
        notes.append(f"The source lists splits ({listed} images), and all are taken; source.split takes one.")
    if images.faulty_boxes:
        notes.append(f"Boxes that did not lie in their images, cut or dropped: {images.faulty_boxes:,}.")
    return notes


def _extent(images: ImageProfile) -> str:
    least, most = (f"{width} x {height}" for width, height in (images.least, images.most))
    return least if least == most else f"{least} to {most}"
