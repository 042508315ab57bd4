"""The sources of images: CelebA, a folder or zip, drawn faces."""
