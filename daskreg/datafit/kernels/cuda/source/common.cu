// What all kernels share: numbers as they are stored, and what one row adds to the sums.
// STORED, PRODUCT, N_SUMS, DUAL, HAS_OFFSET and ENTROPIES are defined by the program.

typedef PRODUCT product_t;
typedef STORED stored_t;
typedef long long index_t;

#ifdef HALF
__device__ inline product_t decode(stored_t bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return (product_t)x;
}
#elif defined(BRAIN)
__device__ inline product_t decode(stored_t bits) {
    float x;  // by a shift instead, rows would be kept decoded and not fit into registers
    asm("mov.b32 %0, {%1, %2};" : "=f"(x) : "h"((stored_t)0), "h"(bits));
    return (product_t)x;
}
#else
__device__ inline product_t decode(stored_t x) { return (product_t)x; }
#endif

// What lies beside the rows: pointers that are null where nothing does.
struct Beside {
    const double *y;
    index_t y_step;
    const double *weight;
    const double *offset;
    index_t offset_step;
    const int *codes;
    const double *table;   // lines of `stride` numbers
    const void *drawn;     // `n_drawn` numbers a row, of `drawn_size` bytes: whole ones of one
    const index_t *place;  // which of them a column takes
    index_t n_drawn;
    index_t drawn_size;
    index_t first_row;     // of this launch
    index_t first_column;
    index_t n_columns;
    index_t stride;        // columns of all launches

    __device__ double weigh(index_t row, index_t column) const {
        column += first_column;
        double w = weight ? weight[first_row + row] : 1.0;
        if (codes) w *= table[codes[first_row + row] * stride + column];
        if (drawn) {
            const index_t at = (first_row + row) * n_drawn + place[column];
            w *= drawn_size == 1 ? ((const unsigned char *)drawn)[at] : ((const double *)drawn)[at];
        }
        return w;
    }
    __device__ double aim(index_t row, index_t target) const {
        return y[(first_row + row) * y_step + (y_step > 1 ? target : 0)];
    }
    __device__ double moved(index_t row, index_t target) const {
        if (!offset) return 0.0;
        return offset[(first_row + row) * offset_step + (offset_step > 1 ? target : 0)];
    }
};

// Adds what a row is to one column's sums, and returns its weighted residual.
__device__ inline double add_row(
    const Beside &beside, index_t row, index_t column, index_t target, double eta, double *sums
) {
    const double y = beside.aim(row, target), weight = beside.weigh(row, column);
    const double offset = beside.moved(row, target);
    const Loss loss(y, eta + offset);
    const double residual = weight * loss.gradient;
    sums[0] += weight * loss.value;
    sums[1] += residual;
#if DUAL
    sums[2] += weight * loss.curvature;
#define ADD_ENTROPY(number, scale, log_scale) \
    sums[3 + number] += weight * loss.entropy(scale, log_scale);
    ENTROPIES(ADD_ENTROPY)
#if HAS_OFFSET
    sums[N_SUMS - 3] += weight * offset;
    sums[N_SUMS - 2] += weight * offset * y;
    sums[N_SUMS - 1] += residual * offset;
#endif
#endif
    return residual;
}
