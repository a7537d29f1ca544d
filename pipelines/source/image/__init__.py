"""Reads images in class folders, listed in tables, or with annotated objects (COCO, Pascal VOC, YOLO)."""
