"""GANNs with friends: a class trains one GAN together, with PostgreSQL as the only meeting point.

Start reading at `ganns/coordinator/` (who opens and closes rounds) and `tasks/gradient.py` (what a worker
does with one unit). The mathematics that both share is in `gradients`, `aggregate` and `state`.
"""
