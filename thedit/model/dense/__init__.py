"""The plane-dictionary network that looks its surface up in the source's picture (`planedict-dense`)."""
