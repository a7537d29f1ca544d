"""Reads images: class folders, and annotations of what is marked in them (COCO, Pascal VOC, YOLO)."""
