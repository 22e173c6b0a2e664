"""Benchmarks: time, memory and the floor of each fast path."""
