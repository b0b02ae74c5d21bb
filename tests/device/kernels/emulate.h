// CUDA C on the host: the threads of a block are coroutines that take turns, one at a time, and go
// on from a barrier or a shuffle when all that take part have come there.  Blocks run in turn.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(...)

struct Place { unsigned x, y, z; };
static Place threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

struct Thread {
    ucontext_t context;
    Place place;
    std::vector<char> stack;
    bool done = false;
    long met = 0, met_warp = 0;  // barriers of the block, and of the warp, so far
    unsigned long long slot = 0;
};
static std::vector<Thread> threads;
static ucontext_t scheduler;
static size_t current;
static void (*body)(void **);
static void **arguments;

static void yield() { swapcontext(&threads[current].context, &scheduler); }

static void start() {
    body(arguments);
    threads[current].done = true;
    yield();
}

static void wait(size_t first, size_t last, long Thread::*met) {
    const long mine = ++(threads[current].*met);
    for (bool all = false; !all;) {
        all = true;
        for (size_t i = first; i < last; i++) {
            if (threads[i].*met >= mine) continue;
            if (threads[i].done) {  // CUDA leaves open what becomes of those that wait
                std::fprintf(stderr, "a thread has left before a barrier or a shuffle\n");
                std::abort();
            }
            all = false;
        }
        if (!all) yield();
    }
}

static void run_block() {
    const size_t n = blockDim.x * blockDim.y * blockDim.z;
    threads.resize(n);
    for (size_t i = 0; i < n; i++) {
        Thread &thread = threads[i];
        thread.place = {unsigned(i % blockDim.x), unsigned(i / blockDim.x % blockDim.y), 0};
        thread.done = false;
        thread.met = thread.met_warp = 0;
        thread.stack.resize(1 << 16);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        makecontext(&thread.context, start, 0);
    }
    for (bool left = true; left;) {
        left = false;
        for (current = 0; current < n; current++) {
            if (threads[current].done) continue;
            threadIdx = threads[current].place;
            swapcontext(&scheduler, &threads[current].context);
            left = left || !threads[current].done;
        }
    }
}

template <typename T>
T shuffle(T value, size_t from) {
    const size_t first = current / 32 * 32;
    std::memcpy(&threads[current].slot, &value, sizeof value);
    wait(first, std::min(first + 32, threads.size()), &Thread::met_warp);
    std::memcpy(&value, &threads[first + from].slot, sizeof value);
    wait(first, std::min(first + 32, threads.size()), &Thread::met_warp);
    return value;
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void **parts, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A> *>(parts[I])...);
}

}  // namespace emulated

inline void __syncthreads() {
    emulated::wait(0, emulated::threads.size(), &emulated::Thread::met);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    return emulated::shuffle(value, (emulated::current % 32) ^ mask);
}
template <typename T>
T __shfl_sync(unsigned, T value, int lane) { return emulated::shuffle(value, lane); }

inline float half_bits(unsigned short bits) {
    _Float16 x;
    std::memcpy(&x, &bits, sizeof x);
    return static_cast<float>(x);
}

inline float brain_bits(unsigned short bits) {
    const unsigned int whole = static_cast<unsigned int>(bits) << 16;
    float x;
    std::memcpy(&x, &whole, sizeof x);
    return x;
}

template <auto kernel, typename... A>
void launch(void (*)(A...), const unsigned *dims, void **parts) {
    gridDim = {dims[0], dims[1], dims[2]};
    blockDim = {dims[3], dims[4], dims[5]};
    emulated::arguments = parts;
    emulated::body = [](void **p) { emulated::call(kernel, p, std::index_sequence_for<A...>()); };
    for (unsigned y = 0; y < gridDim.y; y++)
        for (unsigned x = 0; x < gridDim.x; x++) {
            blockIdx = {x, y, 0};
            emulated::run_block();
        }
}
#define EXPORT(name)                                                       \
    extern "C" void launch_##name(const unsigned *dims, void **parts) {   \
        launch<&name>(&name, dims, parts);                                 \
    }
