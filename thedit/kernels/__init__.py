"""Fast paths in Triton, each beside the plain torch code that defines it."""
