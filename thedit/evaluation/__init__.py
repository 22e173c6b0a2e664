"""Protocols and the frames that methods make for them."""
