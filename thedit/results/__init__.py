"""What is kept of a run: the record of what was measured, the tables that follow, and pages with its numbers."""
