// Matrix products of the sizes of an update, whose factors lie in the second cache: tiles fill the
// registers, and little else is done for the memory's sake. products.py chooses the routine.
//
// Our two routines share their code. They see factors as 32-bit words, each one float, or two bf16
// that are neighbours along the sum: `vdpbf16ps` multiplies 16 such pairs with 16 others and adds
// both products of a pair to a float. Some CPUs do that as fast as they multiply 16 floats, so twice
// the work in the time; others half as fast, which gains nothing.

#include "products.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static void by_torch(const Gemm *gemm, const char *a_form, const char *b_form, const float *a,
                     int a_row, const float *b, int b_row, float *c, int m, int k, int n)
{
    float one = 1.0f, zero = 0.0f; // a column-major matrix is the transpose of a row-major one
    gemm->sgemm(b_form, a_form, &n, &m, &k, &one, b, &b_row, a, &a_row, &zero, c, &n);
}

#ifdef __AVX512BW__
#include <immintrin.h>

enum { LANES = 16, ROWS = 6, VECTORS = 4 }; // of a tile, whose sums fill 24 of the 32 registers
enum { DEPTH = 512 }; // terms of a sum before it is put down, so that as many rows of b stay cached
#define INLINED static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 16")

typedef int __attribute__((may_alias)) Word;

typedef struct {
    const Word *word;
    long row, column; // words from one row to the next, from one column to the next
} Words;

static __mmask16 lanes(long count) { return count < LANES ? (1u << count) - 1 : 0xffff; }

static float *scratch_of_thread(const Gemm *gemm)
{
#ifdef _OPENMP
    return gemm->scratch + omp_get_thread_num() * gemm->each;
#else
    return gemm->scratch;
#endif
}

// -- tiles ------------------------------------------------------------------------------------

// Sums of products of words, added to `sum`.
INLINED __m512 step(int bf16, __m512 sum, __m512i a, __m512i b)
{
#ifdef __AVX512BF16__
    if (bf16)
        return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#endif
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
}

// `rows` rows of c, and `vectors` vectors of its columns, of which the last has some lanes only.
INLINED void tile(int bf16, int rows, int vectors, Words a, const Word *b, float *c, long n,
                  long depth, __mmask16 last, int add)
{
    __m512 sum[ROWS][VECTORS];
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int v = 0; v < vectors; v++) {
            __mmask16 mask = v == vectors - 1 ? last : 0xffff;
            sum[r][v] = add ? _mm512_maskz_loadu_ps(mask, c + r * n + v * LANES)
                            : _mm512_setzero_ps();
        }
    for (long i = 0; i < depth; i++) {
        __m512i row[VECTORS];
        UNROLLED
        for (int v = 0; v < vectors; v++) {
            __mmask16 mask = v == vectors - 1 ? last : 0xffff;
            row[v] = _mm512_maskz_loadu_epi32(mask, b + i * n + v * LANES);
        }
        UNROLLED
        for (int r = 0; r < rows; r++) {
            __m512i word = _mm512_set1_epi32(a.word[r * a.row + i * a.column]);
            UNROLLED
            for (int v = 0; v < vectors; v++)
                sum[r][v] = step(bf16, sum[r][v], word, row[v]);
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++)
        UNROLLED
        for (int v = 0; v < vectors; v++) {
            __mmask16 mask = v == vectors - 1 ? last : 0xffff;
            _mm512_mask_storeu_ps(c + r * n + v * LANES, mask, sum[r][v]);
        }
}

#define TILE(R, V)                                                                                \
    case R * LANES + V:                                                                           \
        tile(bf16, R, V, a, b, c, n, depth, last, add);                                           \
        break;
#define TILES(R) TILE(R, 1) TILE(R, 2) TILE(R, 3) TILE(R, 4)

// Rows of the next tile: some heights only, for each is code that takes a while to compile.
static long height(long rows) { return rows >= ROWS ? ROWS : rows >= 4 ? 4 : rows >= 2 ? 2 : 1; }

// A tile of one of those heights, and of any width up to the largest.
INLINED void any_tile(int bf16, long rows, long columns, Words a, const Word *b, float *c, long n,
                      long depth, int add)
{
    long vectors = (columns + LANES - 1) / LANES;
    __mmask16 last = lanes(columns - (vectors - 1) * LANES);
    switch (rows * LANES + vectors) {
        TILES(1) TILES(2) TILES(4) TILES(6)
    }
}

// c (m, n) <- a (m, depth) b (depth, n), in words.
INLINED void multiply(int bf16, Words a, const Word *b, float *c, long m, long depth, long n)
{
    long k = 0;
    do { // at least once: a sum without terms is zero
        for (long j = 0; j < n; j += VECTORS * LANES)
            for (long i = 0, rows; i < m; i += rows) {
                rows = height(m - i);
                long columns = n - j < VECTORS * LANES ? n - j : VECTORS * LANES;
                Words block = {a.word + i * a.row + k * a.column, a.row, a.column};
                any_tile(bf16, rows, columns, block, b + k * n + j, c + i * n + j, n,
                         depth - k < DEPTH ? depth - k : DEPTH, k > 0);
            }
        k += DEPTH;
    } while (k < depth);
}

static void multiply_fp32(Words a, const Word *b, float *c, long m, long depth, long n)
{
    multiply(0, a, b, c, m, depth, n);
}

// -- factors in other orders ------------------------------------------------------------------

// to (columns, rows) <- from (rows, columns), of words. Blocks of 16 x 16 swap their halves, then
// the halves of those, down to single words.
static void transpose(const Word *from, Word *to, long rows, long columns)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (long i = 0; i < rows; i += LANES)
        for (long j = 0; j < columns; j += LANES) {
            __m512i x[LANES];
            __mmask16 across = lanes(columns - j), down = lanes(rows - i);
            UNROLLED
            for (int r = 0; r < LANES; r++)
                x[r] = i + r < rows ? _mm512_maskz_loadu_epi32(across, from + (i + r) * columns + j)
                                    : _mm512_setzero_si512();
            UNROLLED
            for (int half = LANES / 2; half; half /= 2) {
                __m512i other = _mm512_xor_epi32(lane, _mm512_set1_epi32(half));
                __mmask16 upper = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(half));
                __m512i next = _mm512_set1_epi32(LANES); // in an index: of the second operand
                __m512i low = _mm512_mask_add_epi32(lane, upper, other, next);
                __m512i high = _mm512_mask_add_epi32(other, upper, lane, next);
                UNROLLED
                for (int r = 0; r < LANES; r++)
                    if (!(r & half)) {
                        __m512i above = x[r], below = x[r + half];
                        x[r] = _mm512_permutex2var_epi32(above, low, below);
                        x[r + half] = _mm512_permutex2var_epi32(above, high, below);
                    }
            }
            UNROLLED
            for (int c = 0; c < LANES; c++)
                if (j + c < columns)
                    _mm512_mask_storeu_epi32(to + (j + c) * rows + i, down, x[c]);
        }
}

#ifdef __AVX512BF16__

static void multiply_bf16(Words a, const Word *b, float *c, long m, long depth, long n)
{
    multiply(1, a, b, c, m, depth, n);
}

// to (rows, pairs of columns) <- from (rows, columns), rounded; a missing last column is zero.
static void pair_columns(const float *from, long stride, Word *to, long rows, long columns)
{
    long pairs = (columns + 1) / 2;
    for (long row = 0; row < rows; row++)
        for (long i = 0; i < columns; i += 2 * LANES) {
            const float *x = from + row * stride + i;
            long rest = columns - i;
            __m512 low = _mm512_maskz_loadu_ps(lanes(rest), x);
            __m512 high = rest > LANES ? _mm512_maskz_loadu_ps(lanes(rest - LANES), x + LANES)
                                       : _mm512_setzero_ps();
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
            _mm512_mask_storeu_epi32(to + row * pairs + i / 2, lanes((rest + 1) / 2), both);
        }
}

// to (pairs of rows, columns) <- from (rows, columns), rounded; a missing last row is zero.
static void pair_rows(const float *from, long stride, Word *to, long rows, long columns)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i second = _mm512_add_epi32(lane, _mm512_set1_epi32(LANES));
    const __m512i mixed = _mm512_or_epi32(lane, _mm512_slli_epi32(second, 16));
    for (long row = 0; row < rows; row += 2)
        for (long i = 0; i < columns; i += LANES) {
            const float *x = from + row * stride + i;
            __mmask16 mask = lanes(columns - i);
            __m512 even = _mm512_maskz_loadu_ps(mask, x);
            __m512 odd = row + 1 < rows ? _mm512_maskz_loadu_ps(mask, x + stride)
                                        : _mm512_setzero_ps();
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
            __m512i pairs = _mm512_permutexvar_epi16(mixed, both);
            _mm512_mask_storeu_epi32(to + row / 2 * columns + i, mask, pairs);
        }
}

#endif
#endif

// -- the three forms --------------------------------------------------------------------------

int has_routine(long routine)
{
#ifdef __AVX512BF16__
    if (routine == BF16)
        return 1;
#endif
#ifdef __AVX512BW__
    if (routine == FP32)
        return 1;
#endif
    return routine == TORCH;
}

long product_scratch(long rows, long columns)
{
    return ((rows + columns + 2) * columns + 15) / 16 * 16;
}

// Products with a vector are bound by memory: they are float32 always.

void product(const Gemm *gemm, const float *a, int stride, const float *b, float *c, int m, int k,
             int n)
{
    if (gemm->routine == TORCH) {
        by_torch(gemm, "N", "N", a, stride, b, n, c, m, k, n);
        return;
    }
    if (n == 1) {
        for (long i = 0; i < m; i++) {
            const float *row = a + i * stride;
            float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (long j = 0; j < k; j++)
                sum += row[j] * b[j];
            c[i] = sum;
        }
        return;
    }
#ifdef __AVX512BF16__
    if (gemm->routine == BF16) {
        long pairs = (k + 1) / 2;
        Word *rows = (Word *)scratch_of_thread(gemm), *weights = rows + m * pairs;
        pair_columns(a, stride, rows, m, k);
        pair_rows(b, n, weights, k, n);
        multiply_bf16((Words){rows, pairs, 1}, weights, c, m, pairs, n);
    }
#endif
#ifdef __AVX512BW__
    if (gemm->routine == FP32)
        multiply_fp32((Words){(const Word *)a, stride, 1}, (const Word *)b, c, m, k, n);
#endif
}

void product_right(const Gemm *gemm, const float *a, const float *b, float *c, int m, int k, int n)
{
    if (gemm->routine == TORCH) {
        by_torch(gemm, "N", "T", a, k, b, k, c, m, k, n);
        return;
    }
    if (k == 1) {
        for (long i = 0; i < m; i++)
#pragma omp simd
            for (long j = 0; j < n; j++)
                c[i * n + j] = a[i] * b[j];
        return;
    }
#ifdef __AVX512BF16__
    if (gemm->routine == BF16) {
        long pairs = (k + 1) / 2;
        Word *rows = (Word *)scratch_of_thread(gemm), *weights = rows + m * pairs;
        Word *transposed = weights + n * pairs;
        pair_columns(a, k, rows, m, k);
        pair_columns(b, k, weights, n, k);
        transpose(weights, transposed, n, pairs);
        multiply_bf16((Words){rows, pairs, 1}, transposed, c, m, pairs, n);
    }
#endif
#ifdef __AVX512BW__
    if (gemm->routine == FP32) {
        Word *transposed = (Word *)scratch_of_thread(gemm);
        transpose((const Word *)b, transposed, n, k);
        multiply_fp32((Words){(const Word *)a, k, 1}, transposed, c, m, k, n);
    }
#endif
}

void product_left(const Gemm *gemm, const float *a, int stride, const float *b, float *c, int m,
                  int k, int n)
{
    if (gemm->routine == TORCH) {
        by_torch(gemm, "T", "N", a, stride, b, n, c, m, k, n);
        return;
    }
    if (n == 1) {
        for (long j = 0; j < m; j++)
            c[j] = 0.0f;
        for (long i = 0; i < k; i++)
#pragma omp simd
            for (long j = 0; j < m; j++)
                c[j] += a[i * stride + j] * b[i];
        return;
    }
#ifdef __AVX512BF16__
    if (gemm->routine == BF16) {
        long pairs = (k + 1) / 2;
        Word *rows = (Word *)scratch_of_thread(gemm), *slopes = rows + m * pairs;
        pair_rows(a, stride, rows, k, m);
        pair_rows(b, n, slopes, k, n);
        multiply_bf16((Words){rows, 1, m}, slopes, c, m, pairs, n);
    }
#endif
#ifdef __AVX512BW__
    if (gemm->routine == FP32)
        multiply_fp32((Words){(const Word *)a, 1, stride}, (const Word *)b, c, m, k, n);
#endif
}
