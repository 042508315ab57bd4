"""A packed data set: a worker fetches only the images that it needs."""
