// Products of row-major float32 matrices, by one of several routines; results are float32 always.

#ifndef PRODUCTS_H
#define PRODUCTS_H

// BLAS's, for column-major matrices.
typedef void Sgemm(const char *, const char *, const int *, const int *, const int *,
                   const float *, const float *, const int *, const float *, const int *,
                   const float *, float *, const int *);

enum Routine {
    TORCH = 0, // the sgemm that torch itself uses
    FP32 = 1,  // AVX-512
    BF16 = 2,  // the same with factors rounded to bf16, two products an instruction
};

typedef struct {
    Sgemm *sgemm;
    long routine;
    float *scratch; // for every thread
    long each;      // floats of a thread: `product_scratch`
} Gemm;

// Whether this CPU, which the library is compiled for, has a routine.
int has_routine(long routine);

// Floats that a thread needs for products of matrices with so many rows and columns at most, where
// the rows are those of a batch, or as many as some matrix has columns.
long product_scratch(long rows, long columns);

// c (m, n) <- a (m, k) b (k, n), with `stride` elements between two rows of a.
void product(const Gemm *gemm, const float *a, int stride, const float *b, float *c, int m, int k,
             int n);

// c (m, n) <- a (m, k) b (n, k)'.
void product_right(const Gemm *gemm, const float *a, const float *b, float *c, int m, int k,
                   int n);

// c (m, n) <- a (k, m)' b (k, n), with `stride` elements between two rows of a.
void product_left(const Gemm *gemm, const float *a, int stride, const float *b, float *c, int m,
                  int k, int n);

#endif
