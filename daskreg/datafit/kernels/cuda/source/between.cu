// Between the two products: predictors (n_rows, n_columns) become weighted residuals in place, and
// their sums are added to line blockIdx.y of `sums` (lines, N_SUMS, n_columns), in a fixed order.
// Threads run over columns along x and over rows along y; a block has THREADS of them.

template <typename number_t>
__device__ inline void between(
    number_t *eta, index_t n_rows, const double *intercept, const index_t *target,
    const Beside &beside, double *sums
) {
    __shared__ double share[THREADS];
    const index_t n_columns = beside.n_columns;
    const index_t column = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
    double own[N_SUMS] = {};
    if (column < n_columns) {
        const index_t aim = target ? target[beside.first_column + column] : 0;
        const double start = intercept[beside.first_column + column];
        for (index_t row = (index_t)blockIdx.y * blockDim.y + threadIdx.y; row < n_rows;
             row += (index_t)gridDim.y * blockDim.y) {
            number_t *place = eta + row * n_columns + column;
            *place = (number_t)add_row(beside, row, column, aim, (double)*place + start, own);
        }
    }
#pragma unroll
    for (int s = 0; s < N_SUMS; s++) {
        share[threadIdx.y * blockDim.x + threadIdx.x] = own[s];
        __syncthreads();
        if (threadIdx.y == 0 && column < n_columns) {
            double sum = 0.0;
            for (int k = 0; k < blockDim.y; k++) sum += share[k * blockDim.x + threadIdx.x];
            sums[((index_t)blockIdx.y * N_SUMS + s) * n_columns + column] += sum;
        }
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) between_products(
    product_t *eta, index_t n_rows, const double *intercept, const index_t *target, Beside beside,
    double *sums
) {
    between(eta, n_rows, intercept, target, beside, sums);
}
