"""Training of the landmark backend ``annyheads`` (`thedit.faces.annyheads`) on synthetic heads alone."""
