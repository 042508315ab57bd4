"""Evaluation of generated images: features of images, and distances between sets of images.

`features.py` has the feature networks, `batches.py` draws the images in parts, `metrics.py` compares two sets. Nothing
here uses workers or the database: `tasks/evaluate.py` and `ganns/coordinator/evaluator.py` divide the work.
"""
