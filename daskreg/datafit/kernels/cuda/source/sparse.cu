// Products of compressed sparse rows, all of them in double.  A warp takes a row, or a piece of a
// column: lanes % width run over columns of coefficients, lanes / width over stored numbers.

#define PIECE 1024  // stored numbers of a column that a warp adds up alone

__device__ inline double met(double sum, int width) {
    for (int step = 16; step >= width; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    return sum;
}

// eta (n_rows, n_columns) = X coef; width is a power of two, n_columns or more of them.
extern "C" __global__ void __launch_bounds__(THREADS) csr_times(
    const stored_t *data, const INDEX *indices, const POINTER *indptr, index_t n_rows,
    const double *coef, index_t n_columns, int width, double *eta
) {
    const int lane = threadIdx.x & 31, column = lane % width;
    const index_t row = ((index_t)blockIdx.x * blockDim.x + threadIdx.x) >> 5;
    if (row >= n_rows) return;
    double sum = 0.0;
    if (column < n_columns)
        for (index_t e = indptr[row] + lane / width; e < indptr[row + 1]; e += 32 / width)
            sum += decode(data[e]) * coef[indices[e] * n_columns + column];
    sum = met(sum, width);
    if (lane < n_columns) eta[row * n_columns + lane] = sum;
}

// The column of a piece, and the stored numbers from `start` to `stop` that it consists of.
__device__ inline index_t piece_of(
    index_t number, const index_t *pointers, const index_t *piece, index_t n_features,
    index_t &start, index_t &stop
) {
    index_t low = 0, high = n_features;  // piece[low] <= number < piece[high]
    while (high - low > 1) {
        const index_t middle = (low + high) / 2;
        if (piece[middle] <= number) low = middle;
        else high = middle;
    }
    start = pointers[low] + (number - piece[low]) * PIECE;
    stop = start + PIECE < pointers[low + 1] ? start + PIECE : pointers[low + 1];
    return low;
}

// partial (n_pieces, n_columns): values and rows are sorted by column; piece[j] counts the pieces
// of the columns before j.
extern "C" __global__ void __launch_bounds__(THREADS) csc_pieces(
    const stored_t *values, const int *rows, const index_t *pointers, const index_t *piece,
    index_t n_features, const double *residual, index_t n_columns, int width, double *partial
) {
    const int lane = threadIdx.x & 31, column = lane % width;
    const index_t number = ((index_t)blockIdx.x * blockDim.x + threadIdx.x) >> 5;
    if (number >= piece[n_features]) return;
    index_t start, stop;
    piece_of(number, pointers, piece, n_features, start, stop);
    double sum = 0.0;
    if (column < n_columns)
        for (index_t e = start + lane / width; e < stop; e += 32 / width)
            sum += decode(values[e]) * residual[rows[e] * n_columns + column];
    sum = met(sum, width);
    if (lane < n_columns) partial[number * n_columns + lane] = sum;
}

// partial (n_pieces, n_columns + 1): as before, of numbers less the shift of their column; the last
// sum is that of their squares times the first column of `right`.
extern "C" __global__ void __launch_bounds__(THREADS) csc_moments(
    const stored_t *values, const int *rows, const index_t *pointers, const index_t *piece,
    index_t n_features, const double *shift, const double *right, index_t n_columns, int width,
    double *partial
) {
    const int lane = threadIdx.x & 31, column = lane % width;
    const index_t number = ((index_t)blockIdx.x * blockDim.x + threadIdx.x) >> 5;
    if (number >= piece[n_features]) return;
    index_t start, stop;
    const index_t feature = piece_of(number, pointers, piece, n_features, start, stop);
    double sum = 0.0;
    if (column <= n_columns)
        for (index_t e = start + lane / width; e < stop; e += 32 / width) {
            const double d = decode(values[e]) - shift[feature];
            const double *own = right + rows[e] * n_columns;
            sum += column < n_columns ? d * own[column] : d * d * own[0];
        }
    sum = met(sum, width);
    if (lane <= n_columns) partial[number * (n_columns + 1) + lane] = sum;
}

// grad (n_features, n_columns): the pieces of each feature, in their order.
extern "C" __global__ void __launch_bounds__(THREADS) csc_join(
    const double *partial, const index_t *piece, index_t n_features, index_t n_columns,
    double *grad
) {
    const index_t place = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= n_features * n_columns) return;
    const index_t feature = place / n_columns, column = place % n_columns;
    double sum = 0.0;
    for (index_t k = piece[feature]; k < piece[feature + 1]; k++)
        sum += partial[k * n_columns + column];
    grad[place] = sum;
}

// The losses between them, of predictors in double.
extern "C" __global__ void __launch_bounds__(THREADS) between_sparse(
    double *eta, index_t n_rows, const double *intercept, const index_t *target, Beside beside,
    double *sums
) {
    between(eta, n_rows, intercept, target, beside, sums);
}
