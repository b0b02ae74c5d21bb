// Cyclic coordinate descent on Gram matrices, a block of threads for each problem.
//
// The problem of block k: b' G b / 2 - c'b + l1'|b| + l2'b^2 / 2 with the matrix of number which[k];
// `coef` and `slope` = G b - c are (n_problems, p) and changed in place; `unit` of that shape is one
// over the root of a coordinate's curvature, zero where there is none.  All threads follow the same
// coordinate, each with its share of the slopes.

typedef long long index_t;

__device__ inline double distance(double slope, double b, double l1, int positive) {
    if (b > 0.0) return fabs(slope + l1);
    if (b < 0.0) return fabs(slope - l1);
    const double wrong = positive ? -slope - l1 : fabs(slope) - l1;
    return wrong > 0.0 ? wrong : 0.0;
}

// The largest of all threads' numbers; what they wrote before is seen by all after it.
__device__ inline double largest(double own, double *share) {
    share[threadIdx.x] = own;
    __syncthreads();
    for (int step = THREADS / 2; step; step /= 2) {
        if (threadIdx.x < step && share[threadIdx.x + step] > share[threadIdx.x])
            share[threadIdx.x] = share[threadIdx.x + step];
        __syncthreads();
    }
    const double found = share[0];
    __syncthreads();
    return found;
}

extern "C" __global__ void __launch_bounds__(THREADS) descend(
    const double *G, const index_t *which, index_t p, const double *l1, const double *l2,
    const double *unit, index_t positive, const double *tol, index_t n_max, double *coef, double *slope,
    unsigned char *active, index_t *sweeps
) {
    __shared__ double share[THREADS];
    const index_t k = blockIdx.x;
    G += which[k] * p * p;
    l1 += k * p;
    l2 += k * p;
    unit += k * p;
    coef += k * p;
    slope += k * p;
    active += k * p;
    const double enough = tol[k];
    index_t n_sweeps = 0;
    while (n_sweeps < n_max) {
        double worst = 0.0;
        for (index_t j = threadIdx.x; j < p; j += THREADS) {
            const double b = coef[j];
            const double wrong = distance(slope[j] + l2[j] * b, b, l1[j], positive) * unit[j];
            active[j] = unit[j] > 0.0 && (wrong > enough || b != 0.0);
            worst = wrong > worst ? wrong : worst;
        }
        if (largest(worst, share) <= enough) break;
        while (n_sweeps < n_max) {
            n_sweeps++;
            for (index_t j = 0; j < p; j++) {
                if (!active[j]) continue;
                const double b = coef[j], target = b * G[j * p + j] - slope[j];
                double fresh = 0.0;
                if (target > l1[j]) fresh = target - l1[j];
                if (target < -l1[j] && !positive) fresh = target + l1[j];
                fresh *= unit[j] * unit[j];
                const double change = fresh - b;
                if (change == 0.0) continue;
                __syncthreads();  // all have read what is going to change
                if (threadIdx.x == 0) coef[j] = fresh;
                for (index_t i = threadIdx.x; i < p; i += THREADS) slope[i] += change * G[j * p + i];
                __syncthreads();
            }
            worst = 0.0;
            for (index_t j = threadIdx.x; j < p; j += THREADS) {
                if (!active[j]) continue;
                const double wrong = distance(slope[j] + l2[j] * coef[j], coef[j], l1[j], positive);
                worst = fmax(worst, wrong * unit[j]);
            }
            if (largest(worst, share) <= enough) break;
        }
    }
    if (threadIdx.x == 0) sweeps[k] = n_sweeps;
}
