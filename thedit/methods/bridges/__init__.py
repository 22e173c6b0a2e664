"""Small programs that run in the environments of external methods, between their code and our folders."""
