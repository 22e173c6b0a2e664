"""Pictures, plots and animations of a run."""
