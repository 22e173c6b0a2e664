"""One YAML spec a method; the file name is the method's name."""
