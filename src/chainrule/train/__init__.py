"""Training: the step as formulas, the loop, data, metrics."""
