"""The networks of the plane-dictionary model."""
