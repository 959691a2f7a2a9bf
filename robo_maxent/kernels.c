// The elementwise work of an update, one pass over memory each. kernels.py compiles and calls this;
// the same formulas in torch are in networks.py and sac.py, and the tests compare the two.
//
// Arrays are contiguous float32. Rows are split in CHUNKS fixed parts, so that sums over rows do
// not depend on the number of threads.

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNKS = 8, LANES = 16 };

typedef union {
    int bits;
    float value;
} Float;

// exp for |x| < 87 with a relative error of 1e-7 (Cephes' polynomial), in a form that compilers
// vectorize.
static inline float exponential(float x)
{
    float n = rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    Float power = {.bits = ((int)n + 127) << 23};
    return (p * r * r + r + 1.0f) * power.value;
}

// log(1 + x) for x in [0, 1], with an absolute error of 1e-7: the series of atanh(x / (2 + x)).
static inline float log_one_plus(float x)
{
    float s = x / (2.0f + x), q = s * s; // s <= 1/3
    float p = 2.0f / 13.0f;
    p = p * q + 2.0f / 11.0f;
    p = p * q + 2.0f / 9.0f;
    p = p * q + 2.0f / 7.0f;
    p = p * q + 2.0f / 5.0f;
    p = p * q + 2.0f / 3.0f;
    return (p * q + 2.0f) * s;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// exp(-2 x) for x >= 0.
static inline float decay(float x) { return exponential(-2.0f * (x < 40.0f ? x : 40.0f)); }

static inline float hyperbolic_tangent(float x)
{
    float e = decay(fabsf(x));
    return copysignf((1.0f - e) / (1.0f + e), x);
}

// z (count, rows, width): z <- layer norm of (z + bias), y <- silu(z), scale <- 1 / deviation.
int norm_silu(float *z, const float *bias, float *y, float *scale, long count, long rows,
               long width)
{
#pragma omp parallel for schedule(static)
    for (long row = 0; row < count * rows; row++) {
        float *zs = z + row * width, *ys = y + row * width;
        const float *b = bias + row / rows * width;
        float sum = 0.0f, square = 0.0f;
#pragma omp simd reduction(+ : sum, square)
        for (long i = 0; i < width; i++) {
            float x = zs[i] + b[i];
            sum += x;
            square += x * x;
        }
        float mean = sum / width, variance = square / width - mean * mean;
        float r = 1.0f / sqrtf((variance > 0.0f ? variance : 0.0f) + 1e-5f);
        scale[row] = r;
#pragma omp simd
        for (long i = 0; i < width; i++) {
            float n = (zs[i] + b[i] - mean) * r;
            zs[i] = n;
            ys[i] = n * sigmoid(n);
        }
    }
    return 0;
}

// Rows of a part: one of CHUNKS of each network of the ensemble.
static void part_of(long part, long rows, long *first, long *end)
{
    long network = part / CHUNKS, chunk = part % CHUNKS;
    *first = network * rows + chunk * rows / CHUNKS;
    *end = network * rows + (chunk + 1) * rows / CHUNKS;
}

static void sum_parts(const float *partial, float *bias_slope, long count, long width)
{
    for (long part = 0; part < count * CHUNKS; part++)
        for (long i = 0; i < width; i++)
            bias_slope[part / CHUNKS * width + i] += partial[part * width + i];
}

// slope, at y: overwritten with the slope at z + bias; bias_slope, zero before: its sum over rows.
int norm_silu_backward(float *slope, const float *z, const float *scale, float *bias_slope,
                       long count, long rows, long width)
{
    float *partial = calloc(count * CHUNKS * width, sizeof(float));
    if (!partial)
        return 1;
#pragma omp parallel for schedule(static)
    for (long part = 0; part < count * CHUNKS; part++) {
        long first, end;
        part_of(part, rows, &first, &end);
        float *sums = partial + part * width;
        for (long row = first; row < end; row++) {
            float *g = slope + row * width;
            const float *n = z + row * width;
            float mean = 0.0f, along = 0.0f, r = scale[row];
#pragma omp simd reduction(+ : mean, along)
            for (long i = 0; i < width; i++) {
                float s = sigmoid(n[i]);
                g[i] *= s * (1.0f + n[i] * (1.0f - s));
                mean += g[i];
                along += g[i] * n[i];
            }
            mean /= width;
            along /= width;
#pragma omp simd
            for (long i = 0; i < width; i++) {
                g[i] = r * (g[i] - mean - n[i] * along);
                sums[i] += g[i];
            }
        }
    }
    sum_parts(partial, bias_slope, count, width);
    free(partial);
    return 0;
}

// z (count, rows, width): z <- max(z + bias, 0).
int relu(float *z, const float *bias, long count, long rows, long width)
{
#pragma omp parallel for schedule(static)
    for (long row = 0; row < count * rows; row++) {
        float *zs = z + row * width;
        const float *b = bias + row / rows * width;
#pragma omp simd
        for (long i = 0; i < width; i++) {
            float x = zs[i] + b[i];
            zs[i] = x < 0.0f ? 0.0f : x; // keeps NaN
        }
    }
    return 0;
}

// slope, at y = relu(z + bias): overwritten with the slope at z + bias; bias_slope as above.
int relu_backward(float *slope, const float *y, float *bias_slope, long count, long rows,
                  long width)
{
    float *partial = calloc(count * CHUNKS * width, sizeof(float));
    if (!partial)
        return 1;
#pragma omp parallel for schedule(static)
    for (long part = 0; part < count * CHUNKS; part++) {
        long first, end;
        part_of(part, rows, &first, &end);
        float *sums = partial + part * width;
        for (long row = first; row < end; row++) {
            float *g = slope + row * width;
            const float *ys = y + row * width;
#pragma omp simd
            for (long i = 0; i < width; i++) {
                g[i] = ys[i] > 0.0f ? g[i] : 0.0f;
                sums[i] += g[i];
            }
        }
    }
    sum_parts(partial, bias_slope, count, width);
    free(partial);
    return 0;
}

// Squashed Gaussian: head (rows, 2 size) holds mean and raw deviation, noise (rows, size).
// action <- tanh(u); spread <- standard deviation; log_prob (rows).
int squash(const float *head, const float *noise, float low, float high, float *action,
           float *spread, float *log_prob, long rows, long size)
{
#pragma omp parallel for schedule(static)
    for (long row = 0; row < rows; row++) {
        log_prob[row] = 0.0f;
        for (long start = 0; start < size; start += LANES) {
            long at = row * size + start, n = size - start < LANES ? size - start : LANES;
            float mean[LANES] = {0}, raw[LANES] = {0}, e[LANES] = {0};
            float a[LANES], d[LANES], log_density[LANES];
            memcpy(mean, head + at + row * size, n * sizeof(float));
            memcpy(raw, head + at + (row + 1) * size, n * sizeof(float));
            memcpy(e, noise + at, n * sizeof(float));
            for (long i = 0; i < LANES; i++) {
                float log_std = low + 0.5f * (high - low) * (hyperbolic_tangent(raw[i]) + 1.0f);
                d[i] = exponential(log_std);
                float u = mean[i] + d[i] * e[i], size_u = fabsf(u);
                a[i] = hyperbolic_tangent(u);
                float log_slope = 2.0f * (0.69314718f - size_u - log_one_plus(decay(size_u)));
                log_density[i] = -0.5f * e[i] * e[i] - log_std - 0.91893853f - log_slope;
            }
            memcpy(action + at, a, n * sizeof(float));
            memcpy(spread + at, d, n * sizeof(float));
            for (long i = 0; i < n; i++)
                log_prob[row] += log_density[i];
        }
    }
    return 0;
}

// Slopes at action (rows, size) and log_prob (rows) -> slope at head (rows, 2 size).
int squash_backward(const float *head, const float *noise, const float *action,
                    const float *spread, const float *action_slope, const float *log_prob_slope,
                    float low, float high, float *head_slope, long rows, long size)
{
#pragma omp parallel for schedule(static)
    for (long row = 0; row < rows; row++) {
        const float *raw = head + row * 2 * size + size, *e = noise + row * size;
        const float *a = action + row * size, *d = spread + row * size;
        const float *da = action_slope + row * size;
        float *mean_slope = head_slope + row * 2 * size, *raw_slope = mean_slope + size;
        float dl = log_prob_slope[row];
#pragma omp simd
        for (long i = 0; i < size; i++) {
            float du = da[i] * (1.0f - a[i] * a[i]) + dl * 2.0f * a[i];
            float t = hyperbolic_tangent(raw[i]);
            mean_slope[i] = du;
            raw_slope[i] = (du * d[i] * e[i] - dl) * 0.5f * (high - low) * (1.0f - t * t);
        }
    }
    return 0;
}
