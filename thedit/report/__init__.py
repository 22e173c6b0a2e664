"""What is kept of a run and what is shown of it: artefacts, tables that follow from them, pages with their numbers."""
