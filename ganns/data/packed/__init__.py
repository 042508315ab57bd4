"""A data set in one file, of which a worker fetches only the images that it needs."""
