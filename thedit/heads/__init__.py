"""AnnyHeads: a synthetic talking-head data set with ground truth, made from open assets."""
