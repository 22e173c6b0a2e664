"""Training of the landmark backend ``annyheads`` (`thedit.video.backends.annyheads`) on synthetic heads alone."""
