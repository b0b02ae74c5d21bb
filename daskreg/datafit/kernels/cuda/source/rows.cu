// One column of coefficients: dot, loss and gradient in one look at X.
//
// A warp takes ROWS rows at a time and keeps them in registers, as stored: CHUNKS runs of VECTOR
// columns a lane.  Products meet by shuffles, lane r then stands for row r, and its residual goes
// back to all lanes.  Each block writes its own line of `partial`, first the N_SUMS sums, then the
// gradient, in a fixed order.

#define VALUES (CHUNKS * VECTOR)
#define FLUSH (1024 / ROWS)  // groups of rows that are added up in the type of the products

struct alignas(sizeof(stored_t) * VECTOR) Pack { stored_t x[VECTOR]; };

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_PER_SM) gradient_rows(
    const stored_t *__restrict__ X, index_t n_rows, index_t n_features,
    const product_t *__restrict__ coef, const product_t *__restrict__ shift, double intercept,
    index_t target, Beside beside, double *partial
) {
    __shared__ double total[WARPS][32 * VALUES];
    __shared__ double row_total[WARPS][N_SUMS];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    product_t b[VALUES], part[VALUES];
#if SHIFTED
    product_t c[VALUES];
#define VALUE(pack, i) (decode((pack).x[(i) % VECTOR]) - c[i])
#else
#define VALUE(pack, i) decode((pack).x[(i) % VECTOR])
#endif
#pragma unroll
    for (int i = 0; i < VALUES; i++) {
        const index_t j = (i / VECTOR * 32 + lane) * VECTOR + i % VECTOR;
        b[i] = j < n_features ? coef[j] : (product_t)0;
#if SHIFTED
        c[i] = j < n_features ? shift[j] : (product_t)0;
#endif
        part[i] = 0;
        total[warp][i * 32 + lane] = 0.0;
    }
    double own[N_SUMS] = {};
    int waiting = 0;
    const index_t stride = (index_t)gridDim.x * WARPS * ROWS;
    for (index_t first = ((index_t)blockIdx.x * WARPS + warp) * ROWS; first < n_rows;
         first += stride) {
        Pack x[ROWS][CHUNKS];
        product_t dot[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const Pack *line = (const Pack *)(X + (first + r) * n_features);
#pragma unroll
            for (int k = 0; k < CHUNKS; k++) {
                const bool inside =
                    first + r < n_rows && (k * 32 + lane) * VECTOR < n_features;
                x[r][k] = inside ? line[k * 32 + lane] : Pack{};
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            dot[r] = 0;
#pragma unroll
            for (int i = 0; i < VALUES; i++) dot[r] += VALUE(x[r][i / VECTOR], i) * b[i];
#pragma unroll
            for (int step = 16; step; step /= 2)
                dot[r] += __shfl_xor_sync(0xffffffffu, dot[r], step);
        }
        product_t eta = 0, residual = 0;
#pragma unroll
        for (int r = 0; r < ROWS; r++) eta = lane == r ? dot[r] : eta;
        if (lane < ROWS && first + lane < n_rows)
            residual = (product_t)add_row(
                beside, first + lane, 0, target, (double)eta + intercept, own);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const product_t of_row = __shfl_sync(0xffffffffu, residual, r);
#pragma unroll
            for (int i = 0; i < VALUES; i++) part[i] += VALUE(x[r][i / VECTOR], i) * of_row;
        }
        if (++waiting == FLUSH) {
            waiting = 0;
#pragma unroll
            for (int i = 0; i < VALUES; i++) {
                total[warp][i * 32 + lane] += part[i];
                part[i] = 0;
            }
        }
    }
#pragma unroll
    for (int i = 0; i < VALUES; i++) total[warp][i * 32 + lane] += part[i];
#pragma unroll
    for (int s = 0; s < N_SUMS; s++) {
#pragma unroll
        for (int step = 16; step; step /= 2)
            own[s] += __shfl_xor_sync(0xffffffffu, own[s], step);
        if (lane == 0) row_total[warp][s] = own[s];
    }
    __syncthreads();
    double *sums = partial + blockIdx.x * (N_SUMS + n_features), *grad = sums + N_SUMS;
    for (int i = threadIdx.x; i < 32 * VALUES; i += 32 * WARPS) {
        const int slot = i >> 5, of_lane = i & 31;
        const index_t j = (slot / VECTOR * 32 + of_lane) * VECTOR + slot % VECTOR;
        double sum = 0.0;
        for (int k = 0; k < WARPS; k++) sum += total[k][i];
        if (j < n_features) grad[j] = sum;
    }
    if (threadIdx.x < N_SUMS) {
        double sum = 0.0;
        for (int k = 0; k < WARPS; k++) sum += row_total[k][threadIdx.x];
        sums[threadIdx.x] = sum;
    }
}
