"""Results from elsewhere in the same table: what a stranger needs to take part, and what comes back from them."""
