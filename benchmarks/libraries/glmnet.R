# A worker for glmnet.py: reads raw files, then solves once for every line of its input.
suppressPackageStartupMessages({library(glmnet); library(Matrix)})
args <- commandArgs(trailingOnly = TRUE)
folder <- args[1]; kind <- args[2]; family <- args[3]
n <- as.integer(args[4]); p <- as.integer(args[5])
intercept <- args[6] == "1"; sparse <- args[7] == "1"; folds <- as.integer(args[8])
raw <- function(name, what, count) readBin(file.path(folder, name), what, count)
alphas <- raw("alphas.bin", "double", 1e6)
y <- raw("y.bin", "double", n)
if (sparse) {
  indptr <- raw("indptr.bin", "integer", p + 1)
  x <- new("dgCMatrix", i = raw("indices.bin", "integer", indptr[p + 1]), p = indptr,
           x = raw("data.bin", "double", indptr[p + 1]), Dim = c(n, p))
} else {
  x <- matrix(raw("X.bin", "double", n * p), n, p)
}
if (family != "gaussian") y <- factor(y)
wanted <- length(alphas)
# Its own advice is never to ask for a single lambda; the classes need the way down to it.
if (family == "multinomial") alphas <- c(alphas[1] * 100^(19:1 / 19), alphas)
glmnet.control(fdev = 0, devmax = 1)
# The part of fold k: rows (k - 1) n / K .. k n / K, the first ones one longer where n / K is not whole.
sizes <- rep(n %/% folds, folds) + (seq_len(folds) <= n %% folds)
foldid <- rep(seq_len(folds), sizes)
cat("ready", as.character(packageVersion("glmnet")), R.version.string, "\n"); flush(stdout())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  thresh <- as.numeric(line)
  settings <- list(x = x, y = y, family = family, alpha = 1, lambda = alphas, standardize = FALSE,
                   intercept = intercept, thresh = thresh, maxit = 1e6)
  out <- file(file.path(folder, "found.bin"), "wb")
  if (kind == "cv") {
    found <- do.call(cv.glmnet, c(settings, list(foldid = foldid, keep = TRUE)))
    for (k in seq_len(folds)) {
      rows <- foldid == k
      writeBin(colMeans((found$fit.preval[rows, , drop = FALSE] - y[rows])^2), out)
    }
    model <- found$glmnet.fit
    writeBin(c(as.double(model$a0), as.double(as.matrix(model$beta))), out)
  } else {
    model <- do.call(glmnet, settings)
    if (length(model$lambda) < length(alphas)) {
      cat("failed", length(model$lambda), "of", length(alphas), "lambdas were solved\n")
      flush(stdout()); close(out); next
    }
    kept <- tail(seq_along(alphas), wanted)
    for (beta in if (family == "multinomial") model$beta else list(model$beta))
      writeBin(as.double(as.matrix(beta[, kept])), out)
    intercepts <- matrix(model$a0, ncol = length(alphas))
    writeBin(as.double(intercepts[, kept]), out)
  }
  close(out)
  cat("done\n"); flush(stdout())
}
