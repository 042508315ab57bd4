"""What generated images are like: features of images, and distances between sets of them.

`features.py` is the network that looks at images, `images.py` draws a part of them, `metrics.py` compares. Nothing here
knows of workers or of the database: `tasks/evaluate.py` and `ganns/coordinator/evaluation_thread.py` share the work out.
"""
