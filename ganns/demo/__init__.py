"""`ganns demo`: two workers learn to draw faces, in a few minutes."""
