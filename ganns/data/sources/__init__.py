"""Where images come from: CelebA, a folder or zip, drawn faces."""
