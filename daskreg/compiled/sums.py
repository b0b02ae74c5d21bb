"""What is summed over the rows of a loss, in the order of the results of compiled loops."""

#: Points between label and mean at which the entropy of a classification's dual point is summed.
ENTROPY_SCALES = (0.5, 0.9, 0.99, 0.999, 1.0)

#: Rows of the sums; those of a squared loss are the first two.
VALUE, RESIDUAL, CURVATURE, OFFSET, ENTROPY = range(5)
N_SQUARED = 2
N_LOGISTIC = ENTROPY + len(ENTROPY_SCALES)
