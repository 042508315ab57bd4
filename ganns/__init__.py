"""GANNs with friends: a class trains one GAN together, with PostgreSQL as the only meeting point.

Start reading at `ganns/coordinator/`, which opens and closes rounds, and `tasks/gradient.py`, which computes one unit
on a worker. Both use the mathematics in `ganns/training/`.
"""
