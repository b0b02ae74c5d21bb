"""Where on the line from label to mean the entropies of dual points are summed."""

#: Points between label and mean at which the entropy of a classification's dual point is summed.
ENTROPY_SCALES = (0.5, 0.9, 0.99, 0.999, 1.0)
